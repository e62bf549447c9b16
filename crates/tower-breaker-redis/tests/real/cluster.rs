//! N9: a cluster of three. All keys of a shard are in one slot, wherever that is.

use tower_breaker::observe::{FleetNow, Sharing};
use tower_breaker_redis::Redis;

use crate::support::{
    instances::{SOON, within},
    members::{Member, are_one_fleet},
    redis::free_port,
    server::{Reply, Server},
};

const SLOTS: [(&str, &str); 3] = [("0", "5461"), ("5462", "10922"), ("10923", "16383")];
const RECORD: &str = "{tb1:shop::0}:s:payments";
const LOG: &str = "{tb1:shop::0}:log";

struct Cluster(Vec<Server>);

impl Cluster {
    async fn start() -> Self {
        let mut nodes = Vec::new();
        for (first, last) in SLOTS {
            // The usual one is 10,000 above the other, which may be none.
            let bus = free_port().expect("a port").to_string();
            let node = Server::with(&["--cluster-enabled", "yes", "--cluster-port", &bus]);
            node.tell(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
            nodes.push((node, bus));
        }
        for (node, bus) in &nodes[1..] {
            nodes[0].0.tell(&[
                "CLUSTER",
                "MEET",
                "127.0.0.1",
                &node.port().to_string(),
                bus,
            ]);
        }
        let cluster = Self(nodes.into_iter().map(|(node, _)| node).collect());
        cluster.is_whole().await;
        cluster
    }

    async fn is_whole(&self) {
        within(SOON, "the cluster is whole", async || {
            for node in &self.0 {
                let info = node.tell(&["CLUSTER", "INFO"]);
                let known = info.text().contains("cluster_known_nodes:3");
                if !known || !info.text().contains("cluster_state:ok") {
                    return Err(info.text().to_owned());
                }
            }
            Ok(())
        })
        .await;
    }

    fn store(&self) -> Redis {
        let urls: Vec<String> = self.0.iter().map(Server::url).collect();
        Redis::cluster(urls.iter().map(String::as_str)).expect("URLs")
    }

    /// Which of them has the slot of our keys.
    fn owner(&self) -> usize {
        let owns = |node: &Server| matches!(node.ask(&["EXISTS", LOG]), Reply::Number(_));
        self.0.iter().position(owns).expect("one has it")
    }

    /// Takes the slot of our keys to another node.
    fn move_slot(&self) {
        let slot = self.0[0]
            .tell(&["CLUSTER", "KEYSLOT", LOG])
            .number()
            .to_string();
        let from = self.owner();
        let to = (from + 1) % self.0.len();
        let id = |node: usize| self.0[node].tell(&["CLUSTER", "MYID"]).text().to_owned();
        let (source, target) = (&self.0[from], &self.0[to]);
        target.tell(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        source.tell(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
        let port = target.port().to_string();
        for key in source.keys() {
            source.tell(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]);
        }
        for node in [target, source].into_iter().chain(&self.0) {
            node.tell(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
        }
    }
}

// N9
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_carries_a_fleet_also_after_its_slot_has_moved() {
    let cluster = Cluster::start().await;
    let members = [Member::on(cluster.store()), Member::on(cluster.store())];
    are_one_fleet(&members).await;
    let before = cluster.owner();
    assert_eq!(cluster.0[before].tell(&["EXISTS", RECORD]).number(), 1);
    cluster.move_slot();
    assert_ne!(cluster.owner(), before);
    are_one_fleet(&members).await;
}

// N7
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_gone_leaves_each_alone_until_it_is_back() {
    let mut cluster = Cluster::start().await;
    let members = [Member::on(cluster.store()), Member::on(cluster.store())];
    are_one_fleet(&members).await;
    let owner = cluster.owner();
    cluster.0[owner].kill();
    for member in &members {
        member
            .until("alone", |snapshot| {
                let sharing = snapshot
                    .fleet
                    .as_ref()
                    .map(|FleetNow { sharing, .. }| *sharing);
                matches!(sharing, Some(Sharing::Detached { .. }))
            })
            .await;
        member.circuit.try_acquire().expect("calls go on").success();
    }
    cluster.0[owner].restart();
    cluster.is_whole().await;
    are_one_fleet(&members).await;
}
