//! The data keys used lately, so that a tenant's next notice need not read the key store.

use std::collections::HashMap;
use std::mem;

use crate::data_key::DataKey;

/// Keys by the name of their tenant, at most as many as it was made for.
///
/// Two generations: the young one becomes the old one when it is full, and what was old is forgotten unless it was used again.
/// So the less recently used half of the keys is bound to go first, for the price of two look-ups.
#[derive(Debug)]
pub(crate) struct Cache {
    generation: usize,
    young: HashMap<String, DataKey>,
    old: HashMap<String, DataKey>,
}

impl Cache {
    /// Makes room for `capacity` keys.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { generation: capacity.div_ceil(2), young: HashMap::new(), old: HashMap::new() }
    }

    pub(crate) fn get(&mut self, tenant: &str) -> Option<DataKey> {
        if let Some(key) = self.young.get(tenant) {
            return Some(key.clone());
        }
        let (tenant, key) = self.old.remove_entry(tenant)?;
        self.put(tenant, key.clone());
        Some(key)
    }

    pub(crate) fn remove(&mut self, tenant: &str) {
        self.young.remove(tenant);
        self.old.remove(tenant);
    }

    pub(crate) fn put(&mut self, tenant: String, key: DataKey) {
        if self.young.len() >= self.generation {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(tenant, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::Cipher;
    use crate::subject::Subject;

    fn key(tenant: &str) -> DataKey {
        let subject = Subject::Tenant(tenant.to_owned());
        DataKey::new(format!("key of {tenant}"), subject, Cipher::new(&[7; 32]).unwrap())
    }

    #[test]
    fn it_never_holds_more_keys_than_it_has_room_for() {
        let mut cache = Cache::new(10);
        for n in 0..100 {
            let tenant = format!("tenant {n}");
            cache.put(tenant.clone(), key(&tenant));
            assert!(cache.young.len() + cache.old.len() <= 10, "after {tenant}");
            assert_eq!(cache.get(&tenant).unwrap().kid(), format!("key of {tenant}"));
        }
    }

    #[test]
    fn a_key_in_use_stays_and_the_others_go() {
        let mut cache = Cache::new(10);
        cache.put("busy".to_owned(), key("busy"));
        cache.put("idle".to_owned(), key("idle"));
        for n in 0..100 {
            let tenant = format!("tenant {n}");
            cache.put(tenant.clone(), key(&tenant));
            assert!(cache.get("busy").is_some(), "after {tenant}");
        }
        assert!(cache.get("idle").is_none());
    }
}
