//! Places for so many at once, and so many of each client: what one client holds, no other lacks.
//!
//! A place is given back when it is dropped, also by a panic. A client without a place costs no memory.

use crate::rack::lock;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

/// The places of one server.
#[derive(Debug)]
pub(crate) struct Places {
    all_max: usize,
    each_max: usize,
    taken: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    client: IpAddr,
    taken: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl Places {
    /// So many at once, and so many of each client.
    pub(crate) fn new(all_max: usize, each_max: usize) -> Self {
        Self {
            all_max,
            each_max,
            taken: Arc::default(),
        }
    }

    /// A place for this client, if there is one.
    pub(crate) fn take(&self, client: IpAddr) -> Option<Place> {
        let mut taken = lock(&self.taken);
        let own = taken.get(&client).copied().unwrap_or(0);
        if own >= self.each_max || taken.values().sum::<usize>() >= self.all_max {
            return None;
        }
        taken.insert(client, own + 1);
        Some(Place {
            client,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(own) = taken.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Places;
    use crate::rack::lock;
    use std::net::{IpAddr, Ipv4Addr};

    fn client(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 77, 0, last).into()
    }

    #[test]
    fn a_client_has_its_share_and_leaves_nothing() {
        let places = Places::new(3, 2);
        let mut held = vec![places.take(client(1)).unwrap(), places.take(client(1)).unwrap()];
        assert!(places.take(client(1)).is_none(), "its share");
        held.push(places.take(client(2)).unwrap());
        assert!(places.take(client(3)).is_none(), "there is no place");
        assert_eq!(lock(&places.taken).len(), 2, "who has no place is not remembered");
        held.remove(0);
        held.push(places.take(client(3)).unwrap());
        held.clear();
        assert!(lock(&places.taken).is_empty());
    }
}
