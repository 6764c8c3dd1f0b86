//! Who may talk to whom, worked out from the NetworkPolicies as a cluster would: a connection needs the yes of both ends.

use std::net::Ipv4Addr;

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::selectors::{strangers, takes};
use crate::manifests::{Labels, name_of, typed};
use crate::{Manifests, Workload};

/// A rule of a policy: whom and which ports it lets through; `None` = all.
type Rule<'a> = (Option<&'a Vec<NetworkPolicyPeer>>, Option<&'a Vec<NetworkPolicyPort>>);

/// One end of a connection.
#[derive(Clone, Debug)]
enum End {
    /// A pod of this namespace.
    Pod(Labels),
    /// A pod of another one: labels of the namespace, labels of the pod.
    Elsewhere(Labels, Labels),
    Address(Ipv4Addr),
}

/// All connections that are needed: from, to, port.
const NEEDED: [(&str, &str, i32); 23] = [
    ("tape-producer", "kafka", 9093),
    ("tape-processor", "kafka", 9093),
    ("tape-sink", "kafka", 9093),
    ("tape-migrate", "kafka", 9093),
    ("tape-admin", "kafka", 9093),
    ("tape-sink", "tape-database", 5432),
    ("tape-migrate", "tape-database", 5432),
    ("tape-maintain", "tape-database", 5432),
    ("tape-backup", "tape-database", 5432),
    ("tape-grafana", "tape-database", 5432),
    ("tape-grafana", "monitoring", 9090),
    ("monitoring", "tape-producer", 9460),
    ("monitoring", "tape-processor", 9461),
    ("monitoring", "tape-sink", 9462),
    ("tape-producer", "dns", 53),
    ("tape-processor", "dns", 53),
    ("tape-sink", "dns", 53),
    ("tape-migrate", "dns", 53),
    ("tape-maintain", "dns", 53),
    ("tape-backup", "dns", 53),
    ("tape-admin", "dns", 53),
    ("tape-grafana", "dns", 53),
    ("tape-producer", "internet", 443),
];

/// Everybody above, and strangers. What is not needed must be denied.
const ENDS: [&str; 14] = [
    "tape-producer",
    "tape-processor",
    "tape-sink",
    "tape-migrate",
    "tape-admin",
    "tape-maintain",
    "tape-backup",
    "tape-grafana",
    "tape-database",
    "kafka",
    "monitoring",
    "stranger",
    "internet",
    "private",
];
const PORTS: [i32; 9] = [443, 3000, 5432, 9090, 9091, 9093, 9460, 9461, 9462];

pub fn mistakes(manifests: &Manifests) -> Vec<String> {
    let mut found = Vec::new();
    let workloads = manifests.workloads();
    let policies: Vec<_> = manifests
        .of_kind("NetworkPolicy")
        .map(|document| (name_of(document).to_owned(), typed(document)))
        .collect();
    for (name, policy) in &policies {
        let policy: &NetworkPolicy = policy;
        let selector = policy.spec.as_ref().and_then(|spec| spec.pod_selector.clone()).unwrap_or_default();
        if !workloads.iter().any(|workload| takes(&selector, &workload.labels)) {
            found.push(format!("NetworkPolicy {name}: selects no pod"));
        }
        found.extend(
            strangers(&selector, &workloads)
                .iter()
                .map(|stranger| format!("NetworkPolicy {name}: nobody is {stranger}")),
        );
    }
    let net =
        Net { manifests, workloads, policies: policies.into_iter().map(|(_, policy)| policy).collect() };
    let live = manifests.find("NetworkPolicy", "tape-to-feed").is_some();
    for (from, to, port) in NEEDED {
        if (to != "internet" || live) && !net.allows(from, to, port) {
            found.push(format!("{from} cannot reach {to} at {port}"));
        }
    }
    for from in ENDS {
        for to in ENDS {
            for port in PORTS {
                // What happens between others is none of ours.
                let ours = from.starts_with("tape-") || to.starts_with("tape-") || to == "kafka";
                if ours && from != to && !NEEDED.contains(&(from, to, port)) && net.allows(from, to, port) {
                    found.push(format!("{from} may reach {to} at {port}, and needs not"));
                }
            }
        }
    }
    found
}

struct Net<'a> {
    manifests: &'a Manifests,
    workloads: Vec<Workload>,
    policies: Vec<NetworkPolicy>,
}

impl Net<'_> {
    fn workload(&self, name: &str) -> Option<&Workload> {
        self.workloads.iter().find(|workload| workload.name == name)
    }

    fn end(&self, name: &str) -> End {
        let one = |key: &str, value: &str| Labels::from([(key.to_owned(), value.to_owned())]);
        let namespace = |name: &str| one("kubernetes.io/metadata.name", name);
        match name {
            "kafka" => {
                let mut labels = one("strimzi.io/kind", "Kafka");
                labels.insert("strimzi.io/cluster".to_owned(), "tape".to_owned());
                End::Pod(labels)
            }
            "monitoring" => {
                End::Elsewhere(namespace("monitoring"), one("app.kubernetes.io/name", "prometheus"))
            }
            "dns" => End::Elsewhere(namespace("kube-system"), one("k8s-app", "kube-dns")),
            "stranger" => End::Elsewhere(namespace("default"), one("app.kubernetes.io/part-of", "tape")),
            "internet" => End::Address(Ipv4Addr::new(93, 184, 215, 14)),
            "private" => End::Address(Ipv4Addr::new(10, 1, 2, 3)),
            name => End::Pod(self.workload(name).map(|workload| workload.labels.clone()).unwrap_or_default()),
        }
    }

    /// Whether a connection passes the policies at both ends.
    fn allows(&self, from: &str, to: &str, port: i32) -> bool {
        let (source, target) = (self.end(from), self.end(to));
        let name = self.port_name(to, port);
        let port = (port, name.as_deref());
        let leaves = self.one_way(&source, &target, port, "Egress");
        // Strimzi makes the policy of the brokers from the listeners.
        let enters = if to == "kafka" {
            self.broker_takes(&source, port.0)
        } else {
            self.one_way(&target, &source, port, "Ingress")
        };
        leaves && enters
    }

    /// Whether the policies of the pod at `here` let it talk to `there`. Who is not a pod of ours has none.
    fn one_way(&self, here: &End, there: &End, port: (i32, Option<&str>), way: &str) -> bool {
        let End::Pod(labels) = here else { return true };
        let mut selected = false;
        for spec in self.policies.iter().filter_map(|policy| policy.spec.as_ref()) {
            let applies = spec.policy_types.iter().flatten().any(|kind| kind == way);
            if !applies || !takes(&spec.pod_selector.clone().unwrap_or_default(), labels) {
                continue;
            }
            selected = true;
            let rules: Vec<Rule<'_>> = if way == "Egress" {
                spec.egress.iter().flatten().map(|rule| (rule.to.as_ref(), rule.ports.as_ref())).collect()
            } else {
                spec.ingress.iter().flatten().map(|rule| (rule.from.as_ref(), rule.ports.as_ref())).collect()
            };
            let fits =
                |(peers, ports): &(Option<&Vec<NetworkPolicyPeer>>, Option<&Vec<NetworkPolicyPort>>)| {
                    peers.is_none_or(|peers| peers.iter().any(|peer| is(peer, there)))
                        && ports.is_none_or(|ports| ports.iter().any(|rule| is_port(rule, port)))
                };
            if rules.iter().any(fits) {
                return true;
            }
        }
        !selected
    }

    fn broker_takes(&self, source: &End, port: i32) -> bool {
        let Some(kafka) = self.manifests.of_kind("Kafka").next() else { return false };
        let listeners = kafka["spec"]["kafka"]["listeners"].as_array().into_iter().flatten();
        let mut peers = listeners.filter(|listener| listener["port"] == port).flat_map(|listener| {
            let peers: Option<Vec<NetworkPolicyPeer>> =
                serde_json::from_value(listener["networkPolicyPeers"].clone()).ok();
            // None: everybody.
            peers.unwrap_or_else(|| {
                vec![NetworkPolicyPeer { namespace_selector: Some(Default::default()), ..Default::default() }]
            })
        });
        peers.any(|peer| is(&peer, source))
    }

    fn port_name(&self, workload: &str, number: i32) -> Option<String> {
        let workload = self.workload(workload)?;
        let mut ports = workload.pod.containers.iter().flat_map(|container| container.ports.iter().flatten());
        ports.find(|port| port.container_port == number)?.name.clone()
    }
}

fn is(peer: &NetworkPolicyPeer, end: &End) -> bool {
    match end {
        End::Pod(labels) => {
            peer.ip_block.is_none()
                && peer.namespace_selector.is_none()
                && peer.pod_selector.as_ref().is_some_and(|selector| takes(selector, labels))
        }
        End::Elsewhere(namespace, labels) => {
            peer.namespace_selector.as_ref().is_some_and(|selector| takes(selector, namespace))
                && peer.pod_selector.as_ref().is_none_or(|selector| takes(selector, labels))
        }
        End::Address(address) => peer.ip_block.as_ref().is_some_and(|block| {
            holds(&block.cidr, *address)
                && !block.except.iter().flatten().any(|except| holds(except, *address))
        }),
    }
}

fn is_port(rule: &NetworkPolicyPort, (number, name): (i32, Option<&str>)) -> bool {
    match &rule.port {
        None => true,
        Some(IntOrString::Int(wanted)) => *wanted == number,
        Some(IntOrString::String(wanted)) => Some(wanted.as_str()) == name,
    }
}

/// Whether a block such as 10.0.0.0/8 holds an address.
fn holds(block: &str, address: Ipv4Addr) -> bool {
    let (network, length) = block.split_once('/').unwrap_or((block, "32"));
    let (network, length): (Ipv4Addr, u32) =
        (network.parse().expect("an address"), length.parse().expect("a length"));
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    u32::from(network) & mask == u32::from(address) & mask
}
