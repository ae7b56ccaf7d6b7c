use super::*;
use crate::record::{
    DeviceInfo, Measured, Outcome, Sample, TestKind,
    work::{Copies, Nodes},
};

const MS: Duration = Duration::from_millis(1);

fn copies(from: &str, to: &str, n: u32, bytes: u64) -> Copies {
    Copies { from: from.into(), to: to.into(), n, bytes: Some(bytes) }
}

fn link(server: &str, round_trip_us: u64) -> Link {
    Link {
        server: server.into(),
        round_trip_ns: Some(round_trip_us * 1000),
        // 1 MB in 10 ms without the round trip: 100 MB/s.
        block_bytes: Some(1_000_000),
        send_ns: Some(10_000_000 + round_trip_us * 1000),
        receive_ns: Some(10_000_000 + round_trip_us * 1000),
        ..Link::default()
    }
}

/// Layers on the CPU, then on two devices of server `a:1` and one of `b:1`; a token takes 20 ms.
fn run() -> Run {
    let device = |name: &str, server: Option<&str>| DeviceInfo {
        name: name.into(),
        server: server.map(str::to_owned),
        ..DeviceInfo::default()
    };
    let nodes = |device: &str| Nodes {
        op: "MUL_MAT".into(),
        data_type: "f16".into(),
        device: device.into(),
        weights: None,
        n: 4,
    };
    let mut header = Header::default();
    header.host.devices = vec![
        device("CPU", None),
        device("RPC0", Some("a:1")),
        device("RPC1", Some("a:1")),
        device("RPC2", Some("b:1")),
        device("RPC3", Some("unused:1")),
    ];
    header.work = vec![Work {
        kind: WorkKind::Generation,
        n_tokens: 1,
        n_splits: 4,
        nodes: ["CPU", "RPC0", "RPC1", "RPC2"].map(nodes).to_vec(),
        copies: vec![
            copies("CPU", "RPC0", 5, 10_000),
            copies("RPC0", "RPC1", 1, 4_000),
            copies("RPC1", "RPC2", 1, 4_000),
        ],
        results: vec![copies("RPC2", "CPU", 1, 100_000)],
        strays: Vec::new(),
    }];
    header.links = vec![link("a:1", 400), link("b:1", 1000)];
    let sample = |ms: u32| Sample { elapsed: MS * ms, ..Sample::default() };
    let cell = |kind, sample: Sample| Cell {
        test: Test { kind, n_depth: 0, group: None, n_parallel: 1 },
        started_at: String::new(),
        outcome: Outcome::Measured(Measured { samples: vec![sample], ..Measured::default() }),
    };
    Run {
        header,
        cells: vec![cell(TestKind::Pp(64), sample(50)), cell(TestKind::Tg(4), sample(80))],
        curve: Vec::new(),
    }
}

fn way(text: &str) -> Way {
    text.parse().unwrap()
}

#[test]
fn a_token_waits_for_each_answer_and_each_byte() {
    let waiting = Waiting::of(&run().header, WorkKind::Generation).unwrap();
    let [(a, of_a), (b, of_b)] = &waiting.parts[..] else { panic!("{waiting:?}") };
    // The copy within a server is asked for and answered, and sends nothing.
    assert_eq!((a.server.as_str(), a.round_trips), ("a:1", 2.0));
    assert_eq!((a.sent_bytes, a.received_bytes), (Some(10_000.0), Some(4_000.0)));
    assert_eq!((b.server.as_str(), b.round_trips), ("b:1", 1.0));
    assert_eq!((b.sent_bytes, b.received_bytes), (Some(4_000.0), Some(100_000.0)));
    // 2 x 0.4 ms + 14 kB at 100 MB/s, and 1 ms + 104 kB.
    assert_eq!((*of_a, *of_b), (Duration::from_micros(940), Duration::from_micros(2040)));
    assert_eq!((waiting.total(), waiting.round_trips()), (Duration::from_micros(2980), 3.0));
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let mut header = run().header;
    header.links.pop();
    assert_eq!(Waiting::of(&header, WorkKind::Generation), None);
    assert_eq!(Waiting::of(&run().header, WorkKind::Prompt), None);
    assert_eq!(Waiting::of(&Header::default(), WorkKind::Generation), None);
}

#[test]
fn other_links_change_the_waiting_alone() {
    let run = run();
    // The links that were measured give what was measured.
    let same = plan(&run, &[way("400us@100MB/s"), way("1ms@100MB/s")]).unwrap();
    assert_eq!(same.len(), 1, "prompts are not planned");
    assert_eq!((same[0].measured, same[0].planned), (MS * 20, MS * 20));
    let slower = plan(&run, &[way("2.4ms@100MB/s"), way("1ms@100MB/s")]).unwrap();
    assert_eq!(slower[0].planned, MS * 24, "two answers of the first server");
    let thin = plan(&run, &[way("400us@100MB/s"), way("1ms@10MB/s")]).unwrap();
    assert_eq!(thin[0].planned, MS * 20 + Duration::from_nanos(9_360_000));
}

#[test]
fn another_number_of_servers_has_the_traffic_of_the_measured_ones_on_average() {
    let planned = plan(&run(), &[way("2ms"), way("2ms"), way("2ms"), way("2ms")]).unwrap()[0];
    // Three answers of two servers are six of four.
    assert_eq!(planned.planned, MS * 20 - Duration::from_micros(2980) + MS * 12);
}

#[test]
fn a_run_without_servers_can_be_planned_over_a_chain() {
    let mut run = run();
    run.header.host.devices.truncate(1);
    let planned = plan(&run, &[way("1ms"), way("3ms")]).unwrap();
    assert_eq!((planned[0].waiting, planned[0].planned), (Duration::ZERO, MS * 24));
    let refused = plan(&run, &[way("1ms@1Gbit/s")]).unwrap_err().to_string();
    assert!(refused.contains("does not tell the bytes"), "{refused}");
}

#[test]
fn what_cannot_be_planned_says_why() {
    let refused = |run: &Run, ways: &[Way]| plan(run, ways).unwrap_err().to_string();
    assert!(refused(&run(), &[]).contains("no link is given"));
    let mut run = run();
    run.header.links.clear();
    assert!(refused(&run, &[way("1ms")]).contains("were not measured"));
    run = self::run();
    run.header.work.clear();
    assert!(refused(&run, &[way("1ms")]).contains("graph of a generation"));
    run = self::run();
    run.cells.pop();
    assert!(refused(&run, &[way("1ms")]).contains("no generation"));
    run = self::run();
    run.header.links[0].round_trip_ns = Some(15_000_000);
    assert!(refused(&run, &[way("1ms")]).contains("measure again"));
}

#[test]
fn links_are_read_with_their_units() {
    assert_eq!(way("0.4ms").round_trip, Duration::from_micros(400));
    assert_eq!(way("80us@1Gbit/s").rates, (Some(1.25e8), Some(1.25e8)));
    assert_eq!(way("1ms@2 MiB/s").rates.0, Some(2_097_152.0));
    for bad in
        ["", "4", "fast", "1ms@", "1ms@5", "1ms@0MB/s", "1ms@-1MB/s", "1ms@infB/s", "-1ms", "1ms@nanB/s"]
    {
        let refused = bad.parse::<Way>().unwrap_err();
        assert!(refused.contains("is not") && refused.contains("such as"), "{bad}: {refused}");
    }
}
