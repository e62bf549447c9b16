//! Guides: what is promised, and how to live with it.

// Its examples need the features.
#[cfg(all(feature = "admin", feature = "reqwest", feature = "tonic"))]
#[cfg_attr(
    docsrs,
    doc(cfg(all(feature = "admin", feature = "reqwest", feature = "tonic")))
)]
#[doc = include_str!("guide/apps.md")]
pub mod apps {}

#[doc = include_str!("guide/architecture.md")]
pub mod architecture {}

#[doc = include_str!("guide/around.md")]
// Its example needs the feature.
#[cfg_attr(feature = "reqwest", doc = include_str!("guide/around_reqwest.md"))]
pub mod around {}

#[doc = include_str!("guide/balancers.md")]
pub mod balancers {}

#[doc = include_str!("guide/coming_from.md")]
pub mod coming_from {}

// Its examples need the feature.
#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
#[doc = include_str!("guide/configuration.md")]
pub mod configuration {}

#[doc = include_str!("guide/compiler.md")]
pub mod compiler {}

#[doc = include_str!("guide/contract.md")]
pub mod contract {}

#[doc = include_str!("guide/clients.md")]
// Its examples need the features.
#[cfg_attr(
    all(feature = "registry", feature = "reqwest", feature = "retry-after"),
    doc = include_str!("guide/reqwest.md")
)]
pub mod clients {}

// Its examples need the features.
#[cfg(all(feature = "cached", feature = "retries"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "cached", feature = "retries"))))]
#[doc = include_str!("guide/degrading.md")]
pub mod degrading {}

// Its examples need the feature.
#[cfg(feature = "fleet")]
#[cfg_attr(docsrs, doc(cfg(feature = "fleet")))]
#[doc = include_str!("guide/fleet.md")]
pub mod fleet {}

#[cfg(feature = "tonic")]
#[cfg_attr(docsrs, doc(cfg(feature = "tonic")))]
#[doc = include_str!("guide/grpc.md")]
pub mod grpc {}

// Its examples need the features.
#[cfg_attr(all(feature = "axum", feature = "config"), doc = include_str!("guide/many.md"))]
#[cfg_attr(
    not(all(feature = "axum", feature = "config")),
    doc = "One circuit, or many: a guide in the docs of all features, and in `src/guide/many.md`."
)]
pub mod many {}

#[doc = include_str!("guide/neighbours.md")]
pub mod neighbours {}

// Its examples need the feature.
#[cfg(feature = "admin")]
#[cfg_attr(docsrs, doc(cfg(feature = "admin")))]
#[doc = include_str!("guide/operating.md")]
pub mod operating {}

#[doc = include_str!("guide/outages.md")]
pub mod outages {}

#[doc = include_str!("guide/proof.md")]
pub mod proof {}

#[doc = include_str!("guide/servers.md")]
pub mod servers {}

#[doc = include_str!("guide/settings.md")]
pub mod settings {}

#[doc = include_str!("guide/speed.md")]
pub mod speed {}

// Its examples need the features.
#[cfg(all(feature = "metrics", feature = "tracing"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "metrics", feature = "tracing"))))]
#[doc = include_str!("guide/telemetry.md")]
pub mod telemetry {}

// Its examples need the features.
#[cfg(all(feature = "axum", feature = "config"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "axum", feature = "config"))))]
#[doc = include_str!("guide/testing.md")]
pub mod testing {}
