use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::*;

const OURS: Version = Version { major: 7, minor: 0, patch: 0 };

/// Far more than any answer takes on this machine.
const LONG: Duration = Duration::from_secs(60);

/// A server that does this with each of `n` connections; it is done when the thread ends.
fn server(n: usize, serve: impl Fn(TcpStream) + Send + 'static) -> (Endpoint, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
    let served = thread::spawn(move || (0..n).for_each(|_| serve(listener.accept().unwrap().0)));
    (endpoint, served)
}

/// Reads the greeting of a client, as servers since version 4 do; the length of its content.
fn content(stream: &mut TcpStream) -> usize {
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 14);
    let length = usize::from(head[1]);
    assert_eq!(head[2..], [0; 7]);
    stream.read_exact(&mut vec![0; length]).unwrap();
    length
}

fn answer(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(&(bytes.len() as u64).to_le_bytes()).unwrap();
    stream.write_all(bytes).unwrap();
}

#[test]
fn a_server_of_this_version_is_taken() {
    let (endpoint, served) = server(1, |mut stream| {
        assert_eq!(content(&mut stream), 24);
        let mut hello = [0; 28];
        hello[0] = 7;
        answer(&mut stream, &hello);
    });
    assert_eq!(greet(&endpoint, OURS, LONG).unwrap().to_string(), endpoint.to_string());
    served.join().unwrap();
}

#[test]
fn another_version_is_named_with_ours() {
    let (endpoint, served) = server(1, |mut stream| {
        content(&mut stream);
        let mut hello = [0; 28];
        hello[..3].copy_from_slice(&[7, 1, 2]);
        answer(&mut stream, &hello);
    });
    let problem = greet(&endpoint, OURS, LONG).unwrap_err();
    assert!(
        problem.contains("7.1.2") && problem.contains("7.0.0") && problem.contains("same llama.cpp"),
        "{problem}"
    );
    served.join().unwrap();
    // One that knows no capabilities closes the connection, and answers a greeting without any.
    let (endpoint, served) = server(2, |mut stream| {
        if content(&mut stream) == 0 {
            answer(&mut stream, &[3, 6, 1]);
        }
    });
    let problem = greet(&endpoint, OURS, LONG).unwrap_err();
    assert!(problem.contains("version 3.6.1"), "{problem}");
    served.join().unwrap();
    let (endpoint, served) = server(2, |mut stream| assert!(content(&mut stream) < 25));
    let problem = greet(&endpoint, OURS, LONG).unwrap_err();
    assert!(problem.contains("closed the connection") && problem.contains("7.0.0"), "{problem}");
    served.join().unwrap();
}

#[test]
fn what_is_not_such_a_server_is_said() {
    let (endpoint, served) = server(1, |mut stream| {
        content(&mut stream);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let problem = greet(&endpoint, OURS, LONG).unwrap_err();
    assert!(problem.contains("HTTP") && problem.contains("check the port"), "{problem}");
    served.join().unwrap();
    for length in [0, 2, 29, u64::MAX] {
        let (endpoint, served) = server(1, move |mut stream| {
            content(&mut stream);
            stream.write_all(&length.to_le_bytes()).unwrap();
        });
        let problem = greet(&endpoint, OURS, LONG).unwrap_err();
        assert!(problem.contains("not the greeting of an RPC server"), "{length}: {problem}");
        served.join().unwrap();
    }
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    // The system accepts the connection; nobody reads.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint: Endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
    let problem = greet(&endpoint, OURS, Duration::from_millis(50)).unwrap_err();
    assert!(
        problem.contains("did not answer within 50ms") && problem.contains("one client at a time"),
        "{problem}"
    );
    let problem = greet(&endpoint, OURS, Duration::ZERO).unwrap_err();
    assert!(problem.contains("0ns"), "{problem}");
    // A byte now and then does not prolong it.
    let (endpoint, served) = server(1, |mut stream| {
        content(&mut stream);
        while stream.write_all(&[28]).is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let problem = greet(&endpoint, OURS, Duration::from_millis(50)).unwrap_err();
    assert!(problem.contains("within 50ms"), "{problem}");
    served.join().unwrap();
}

#[test]
fn nobody_there_is_said_with_what_to_start() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let problem = greet(&free.to_string().parse().unwrap(), OURS, LONG).unwrap_err();
    assert!(problem.contains("nothing listens there") && problem.contains("worker"), "{problem}");
    // A part of a name has at most 63 letters: no name server is asked.
    let name = format!("{}.invalid:50052", "x".repeat(64));
    let problem = greet(&name.parse().unwrap(), OURS, LONG).unwrap_err();
    assert!(problem.contains("the name") && problem.contains("IPv4 address"), "{problem}");
}

#[test]
fn an_address_that_llama_cpp_would_misread_is_refused() {
    for (text, part) in [
        ("", "names no port"),
        ("host", "host:50052"),
        (":50052", "not a name"),
        ("a b:50052", "not a name"),
        ("host:", "not a port"),
        ("host:0", "1 to 65535"),
        ("host:65536", "1 to 65535"),
        ("host:+5", "not a port"),
        ("host:50052x", "not a port"),
        ("host:-1", "not a port"),
        ("[::1]:50052", "IPv4"),
        ("::1", "IPv4"),
        ("http://host:50052", "without a scheme"),
        ("höst:50052", "not a name"),
    ] {
        let problem = text.parse::<Endpoint>().unwrap_err();
        assert!(problem.contains(part), "{text}: {problem}");
    }
    let endpoint: Endpoint = " worker-2.lan:50052 ".parse().unwrap();
    assert_eq!(endpoint.to_string(), "worker-2.lan:50052");
}
