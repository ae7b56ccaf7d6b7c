//! Devices of other machines, which are workers on this one.

#[path = "support/servers.rs"]
mod servers;
mod support;

use std::{
    io::Read as _,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use llama_bench_rs::{
    gguf::{Shape, Synthetic},
    judge::network::{Waiting, Way, plan},
    llama::{Backend, Context, ContextParams, LlamaError, Model, ModelParams},
    record::{FailureKind, Report, tg, work::WorkKind},
    report,
    stats::Samples,
};

use servers::{Worker, delayed, lost_after};
use support::{Ran, example, run, small_sweep};

/// A small sweep on these servers, its report and what it said.
fn measured(servers: &[&str], more: &[&str]) -> (Report, Ran) {
    let list = servers.join(",");
    let ran = small_sweep(&[&["--rpc", &list, "-o", "json"], more].concat());
    assert_eq!(ran.status, 0, "{}", ran.err);
    (report::read_str(&ran.out).unwrap().report, ran)
}

#[test]
fn layers_on_two_workers_are_measured_with_names_graph_and_links() {
    let (a, b) = (Worker::start(), Worker::start());
    // Three layers and the output on the servers, one on the CPU.
    let (report, _) = measured(&[&a.address, &b.address], &["-ngl", "4"]);
    assert!(report.is_complete());
    for run in &report.runs {
        let header = &run.header;
        let remote: Vec<_> = header.host.devices.iter().filter(|device| device.backend == "RPC").collect();
        let names: Vec<&str> = remote.iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names, ["RPC0", "RPC1"]);
        for (device, worker) in remote.iter().zip([&a, &b]) {
            assert_eq!(device.server.as_ref(), Some(&worker.address));
            assert!(device.memory_total_bytes > Some(0) && device.memory_free_bytes > Some(0));
        }
        assert_eq!(header.resolved.offloaded_layers, Some((4, 5)));
        let servers: Vec<&String> = header.links.iter().map(|link| &link.server).collect();
        assert_eq!(servers, [&a.address, &b.address]);
        for link in &header.links {
            assert!(link.round_trip() > Some(Duration::ZERO) && link.n_round_trips >= Some(10), "{link:?}");
            assert!(
                link.round_trip_p10_ns <= link.round_trip_ns && link.round_trip_ns <= link.round_trip_p90_ns
            );
            assert!(link.block_bytes >= Some(1 << 20), "{link:?}");
        }
        // One answer of each: what the first hands to the second, and the logits.
        let waiting = Waiting::of(header, WorkKind::Generation).unwrap();
        let trips: Vec<f64> = waiting.parts.iter().map(|(traffic, _)| traffic.round_trips).collect();
        assert_eq!(trips, [1.0, 1.0], "{:?}", header.work);
        let vocabulary = f64::from(header.model.n_vocab.unwrap());
        assert_eq!(waiting.parts[1].0.received_bytes, Some(4.0 * vocabulary), "the logits");
    }
}

#[test]
fn every_format_tells_the_links_and_the_servers() {
    let worker = Worker::start();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rpc.json");
    std::fs::remove_file(&file).ok();
    let name = file.to_str().unwrap();
    let ran = small_sweep(&["--rpc", &worker.address, "--output", name, "-o", "term"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("A token crosses the network 1 time: 1 x to "), "{}", ran.out);
    let show = |more: &[&str]| {
        let ran = run(example("report").arg(name).args(more));
        assert_eq!(ran.status, 0, "{}", ran.err);
        ran.out
    };
    let told = format!("{}, a round trip takes ", worker.address);
    assert!(show(&["--explain"]).contains(&told));
    assert!(show(&["--explain"]).contains(&format!("--rpc {} ", worker.address)), "commands name the server");
    let page = file.with_extension("html");
    show(&["--html", page.to_str().unwrap(), "--force"]);
    assert!(std::fs::read_to_string(page).unwrap().contains(&told));
    for format in ["jsonl", "csv", "sql"] {
        let text = show(&["-o", format]);
        assert!(text.contains("round_trip_ns") && text.contains(&worker.address), "{format}");
    }
    let planned = show(&["--links", "1ms,2ms@1Gbit/s"]);
    assert!(planned.contains("generations over 2 servers, by arithmetic:"), "{planned}");
    assert!(planned.contains("- tg4: ") && planned.contains("waiting for the network"), "{planned}");
    let refused = run(example("report").args([name, "--links", "fast"]));
    assert_eq!(refused.status, 2);
    assert!(refused.err.contains("\"fast\" is not the time of a round trip"), "{}", refused.err);
}

/// The times of the generation at depth 0, each of four tokens.
fn generation(report: &Report) -> Samples<Duration> {
    let cells = &report.runs[0].cells;
    cells.iter().find(|cell| cell.test == tg(4)).unwrap().times().unwrap()
}

#[test]
fn a_slow_network_is_measured_and_can_be_planned_with() {
    let (a, b) = (Worker::start(), Worker::start());
    let (near, _) = measured(&[&a.address, &b.address], &[]);
    let token_near = generation(&near).mean() / 4;
    for delay in [1, 10].map(Duration::from_millis) {
        let far = [&a, &b].map(|worker| delayed(&worker.address, delay).to_string());
        let (far, _) = measured(&[&far[0], &far[1]], &[]);
        for link in &far.runs[0].header.links {
            assert!(link.round_trip() >= Some(2 * delay), "{link:?}");
        }
        // Whatever else the machine does, a token waits for two answers.
        assert!(generation(&far).min() / 4 >= 4 * delay, "{:?}", generation(&far));
        let ways: Vec<Way> = far.runs[0].header.links.iter().filter_map(Way::of).collect();
        let planned = plan(&near.runs[0], &ways).unwrap()[0];
        assert!(planned.planned >= 4 * delay && planned.measured == token_near, "{planned:?}");
        let (planned, far) = (planned.planned, generation(&far).mean() / 4);
        eprintln!(
            "{delay:?} each way: planned {planned:?}, measured {far:?}; without a delay {token_near:?}"
        );
    }
}

#[test]
fn plan_and_list_of_devices_use_the_servers() {
    let worker = Worker::start();
    let ran = small_sweep(&["-rpc", &worker.address, "--plan"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains(&format!("link: {}, a round trip takes ", worker.address)), "{}", ran.out);
    assert!(ran.out.contains("RPC0: ") && ran.out.contains(" for the tokens"), "{}", ran.out);
    let ran = small_sweep(&["--rpc", &worker.address, "--list-devices"]);
    assert!(ran.out.contains(&format!("  RPC0: {} (gpu, RPC, ", worker.address)), "{}", ran.out);
}

/// Logits of a few tokens, and again after a state was saved and others were decoded.
fn logits(model: &Model) -> Vec<Vec<f32>> {
    let params = ContextParams::default().n_ctx(64).n_threads(1);
    let mut context = Context::new(model, &params).unwrap();
    let mut all = Vec::new();
    for tokens in [&[1, 2, 3, 4, 5, 6, 7][..], &[8], &[9]] {
        context.decode_tokens(tokens).unwrap();
        all.push(context.logits(-1).unwrap().to_vec());
        // Whatever is freed on the server meanwhile must not disturb it.
        drop(Context::new(model, &params).unwrap());
    }
    all
}

#[test]
fn logits_over_two_workers_are_those_of_this_machine() {
    let (a, b) = (Worker::start(), Worker::start());
    let backend = Backend::init().unwrap();
    let devices: Vec<_> =
        [&a, &b].iter().flat_map(|worker| backend.add_rpc_server(&worker.address).unwrap()).collect();
    assert_eq!(devices.len(), 2);
    // A server that is known is not asked again, and has the devices that it had.
    assert_eq!(backend.add_rpc_server(&a.address).unwrap(), devices[..1]);
    let path = Synthetic::new(Shape::preset("tiny-llama").unwrap()).cached().unwrap();
    let local = ModelParams::default().no_devices(true).use_extra_bufts(false);
    let expected = logits(&Model::load_with(&path, &local).unwrap());
    for n_gpu_layers in [2, 4, 99] {
        let params = ModelParams::default().devices(devices.clone()).n_gpu_layers(n_gpu_layers);
        let model = Model::load_with(&path, &params).unwrap();
        for (i, (got, expected)) in logits(&model).iter().zip(&expected).enumerate() {
            let largest = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            let off = got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off <= 1e-3 * largest, "-ngl {n_gpu_layers}, decode {i}: {off} of {largest}");
        }
    }
}

#[test]
fn a_server_that_cannot_be_used_is_refused_before_llama_cpp_connects() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (silent.local_addr().unwrap().to_string(), silent);
    for (server, part) in [
        (&free[..], "nothing listens there"),
        (&silent.0, "did not answer within 50ms"),
        ("localhost", "names no port"),
        ("[::1]:50052", "IPv4 alone"),
    ] {
        let ran = small_sweep(&["--rpc", server, "--rpc-timeout", "50ms"]);
        assert_eq!(ran.status, 2, "{server}: {}", ran.err);
        assert!(ran.err.contains(part) && ran.err.contains(server), "{server}: {}", ran.err);
    }
    let backend = Backend::init().unwrap();
    let error = backend.add_rpc_server_within(&silent.0, Duration::from_millis(50)).unwrap_err();
    assert!(matches!(&error, LlamaError::RpcServer { server, .. } if *server == silent.0), "{error}");
    assert_eq!(FailureKind::from(error.kind()), FailureKind::RpcServer);
}

/// What a run in a process of its own may lose is that run: the program goes on and ends as after any other failure.
#[test]
fn a_server_that_is_lost_does_not_end_a_program_that_measures_in_other_processes() {
    let worker = Worker::start();
    // In the greeting of the program itself, while links are measured, and while a model is loaded or used.
    for (most, statuses) in [(10, [2, 2]), (3 << 20, [1, 1]), (200 << 20, [0, 1])] {
        let lost = lost_after(&worker.address, most).to_string();
        let mut command = example("sweep");
        command.args(support::SMALL).args([
            "--rpc",
            &lost,
            "--runs",
            "2",
            "--runs-in",
            "process",
            "--share-machine",
        ]);
        let ran = run(command.env("GGML_NO_BACKTRACE", "1"));
        assert!(statuses.contains(&ran.status), "{most}: {} {}", ran.status, ran.err);
        assert!(ran.status == 0 || ran.err.contains("sweep: "), "{most}: {}", ran.err);
    }
}

#[test]
fn a_server_that_is_lost_in_another_process_is_named_with_what_to_do() {
    let worker = Worker::start();
    // More than the program itself sends, and less than a link is measured with.
    let lost = lost_after(&worker.address, 3 << 20).to_string();
    let ran = small_sweep(&["--rpc", &lost, "--isolate", "-o", "json"]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let report = report::read_str(&ran.out).unwrap().report;
    let named = format!("RPC server {lost} does not answer any more: nothing listens there");
    for (_, cell) in report.cells() {
        let failure = cell.failure().unwrap();
        assert_eq!(failure.kind, FailureKind::RpcServer, "{failure:?}");
        assert!(failure.message.starts_with(&named) && failure.message.contains("worker"), "{failure:?}");
    }
    assert!(ran.err.contains("--resume"), "{}", ran.err);
}

#[test]
fn both_sides_of_a_comparison_have_the_same_servers() {
    let worker = Worker::start();
    let own = format!("--rpc {}", worker.address);
    let ran = run(example("compare").args(["--b", &own, "--loads", "1"]));
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("name the same for both"), "{}", ran.err);
    let arguments =
        ["--rpc", &worker.address, "--a", "-dev none", "--b", "-dev RPC0", "--loads", "1", "-r", "1"];
    let ran = run(example("compare").args(arguments).args(["-p", "16", "-n", "4", "-d", "0", "-t", "1"]));
    assert!([0, 3].contains(&ran.status), "{}", ran.err);
}

#[test]
fn one_server_by_two_names_is_refused() {
    let worker = Worker::start();
    let port = worker.address.rsplit(':').next().unwrap();
    let ran = small_sweep(&["--rpc", &format!("{},localhost:{port}", worker.address)]);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("name it once"), "{}", ran.err);
    // The same name twice is once.
    let twice = format!("{0},{0}", worker.address);
    let ran = small_sweep(&["--rpc", &twice, "--list-devices"]);
    assert_eq!((ran.status, ran.out.matches("RPC").count()), (0, 2), "{}", ran.out);
}

#[test]
fn a_worker_says_what_it_serves_and_ends_with_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("kept");
    let mut worker = Worker::with(&["-d", "CPU", "-c", cache.to_str().unwrap()]);
    assert!(cache.is_dir() && worker.said[3].ends_with(cache.to_str().unwrap()), "{:?}", worker.said);
    assert!(worker.address.starts_with("127.0.0.1:"), "{:?}", worker.said);
    assert!(
        worker.said[1].starts_with("protocol ") && worker.said[1].contains("llama.cpp"),
        "{:?}",
        worker.said
    );
    assert!(worker.said[2].starts_with("device CPU: "), "{:?}", worker.said);
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        if support::is_ignored(2) {
            return;
        }
        let id = worker.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        assert_eq!(worker.child.wait().unwrap().signal(), Some(2));
    }
}

#[test]
fn a_worker_refuses_what_it_cannot_serve() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rpc-not-a-folder");
    std::fs::write(&file, "").unwrap();
    let file = file.join("cache");
    for (arguments, part) in [
        (vec!["-p", &port], "cannot listen there"),
        (vec!["-H", "192.0.2.1", "-p", "0"], "cannot listen there"),
        (vec!["-H", "::1"], "IPv4 alone"),
        (vec!["-H", "here"], "is not an IPv4 address"),
        (vec!["-p", "70000"], "70000"),
        (vec!["-p", "0", "-d", "CUDA77"], "unknown device \"CUDA77\""),
        (vec!["-p", "0", "-d", "CPU/CPU"], "named twice"),
        (vec!["-p", "0", "-t", "0"], "is not a valid number of threads: give 1 to 512"),
        (vec!["-p", "0", "-t", "513"], "is not a valid number of threads: give 1 to 512"),
        (vec!["-p", "0", "-c", file.to_str().unwrap()], "name another folder"),
    ] {
        let ran = run(example("worker").args(&arguments));
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(part), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_worker_that_others_can_reach_warns_in_words() {
    let mut command = example("worker");
    command.args(["-H", "0.0.0.0", "-p", "0", "-t", "1"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut warning = [0; 64];
    child.stderr.as_mut().unwrap().read_exact(&mut warning).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let warning = String::from_utf8_lossy(&warning).into_owned();
    assert!(warning.contains("WARNING: 0.0.0.0:"), "{warning}");
}

#[test]
fn weights_left_on_the_cpu_are_found_by_name() {
    let worker = Worker::start();
    let (report, _) = measured(&[&worker.address], &["-ot", r"blk\.3\.ffn_.*=CPU"]);
    let said: Vec<String> = report::insights::insights(&report).iter().map(ToString::to_string).collect();
    let found = said.iter().find(|sentence| sentence.contains("were left there by -ot")).expect("a sentence");
    assert!(found.contains("ffn_down, ffn_gate") && found.contains("of layer 3 ("), "{found}");
    assert!(found.contains("although RPC0") && found.contains(r"blk\.3\.ffn_.*=CPU"), "{found}");
    let (report, _) = measured(&[&worker.address], &[]);
    let said = report::insights::insights(&report);
    assert!(said.iter().all(|insight| !insight.to_string().contains("ran on CPU")), "nothing was left");
}

#[test]
fn a_profile_tells_copies_between_devices() {
    let worker = Worker::start();
    let (report, _) = measured(&[&worker.address], &["-ot", r"blk\.3\.ffn_.*=CPU", "--profile"]);
    let cell = report.cell(tg(4).kind, 0).unwrap();
    let profile = cell.measured().unwrap().profile.as_ref().expect("a profile");
    for (from, to) in [("RPC0", "CPU"), ("CPU", "RPC0")] {
        let of = profile.copies.iter().find(|copy| (copy.from.as_str(), copy.to.as_str()) == (from, to));
        assert!(of.is_some_and(|copy| copy.n >= 4), "one a token from {from} to {to}: {:?}", profile.copies);
    }
    assert!(profile.copies.iter().all(|copy| copy.bytes > 0));
}
