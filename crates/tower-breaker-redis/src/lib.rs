//! One circuit across instances: the store of `tower-breaker`'s fleets on Redis.
