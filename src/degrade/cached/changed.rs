//! [`Changed`]: what a request changes if it goes well (RFC 9111, section 4.4).

use std::sync::Arc;

use http::{
    Request, Response,
    header::{CONTENT_LOCATION, LOCATION},
};

use super::{key::Key, shared::Shared, target::Target};

/// A request that is not safe, whose answers are out of date if it goes well.
#[derive(Debug)]
pub(super) struct Changed {
    shared: Arc<Shared>,
    own: Key,
    target: Target,
}

impl Changed {
    pub(super) fn of<B>(shared: Arc<Shared>, request: &Request<B>) -> Option<Self> {
        Some(Self {
            own: shared
                .keys
                .of_target(request.uri(), request.headers())
                .ok()?,
            target: Target::of(request),
            shared,
        })
    }

    /// It has gone well. What its response names goes, too, if it is of the same origin.
    pub(super) fn forget<B>(self, response: &Response<B>) {
        let Shared { store, keys, .. } = &*self.shared;
        store.forget(self.own);
        for name in [LOCATION, CONTENT_LOCATION] {
            let values = response.headers().get_all(name).into_iter();
            let named = values.filter_map(|value| self.target.key_at(value.to_str().ok()?, keys));
            named.for_each(|key| store.forget(key));
        }
    }
}
