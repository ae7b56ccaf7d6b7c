//! Servers of devices on this machine, and a slow network before them.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::{Child, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::example;

/// A worker on a port of its own; killed when dropped.
pub struct Worker {
    pub child: Child,
    /// Its address, `127.0.0.1:PORT`.
    pub address: String,
    /// What it printed before it served.
    pub said: Vec<String>,
}

impl Worker {
    /// Starts one with one thread, and waits until it listens.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with more arguments.
    pub fn with(more: &[&str]) -> Self {
        let mut command = example("worker");
        command.args(["--port", "0", "-t", "1"]).args(more).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Its own lines; the next ones are llama.cpp's, which come in blocks.
        let mut said = Vec::new();
        let mut lines = lines.map_while(Result::ok);
        for line in lines.by_ref() {
            let is_last = line.starts_with("tensors are");
            said.push(line);
            if is_last {
                break;
            }
        }
        // What it prints later must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));
        let address = said[0].strip_prefix("serving on ").unwrap_or_else(|| panic!("{said:?}")).to_owned();
        let worker = Self { child, address, said };
        worker.wait_until_it_listens();
        worker
    }

    fn wait_until_it_listens(&self) {
        while TcpStream::connect(&*self.address).is_err() {
            thread::yield_now();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A network that takes this long in each direction, before a server. It ends with the test.
pub fn delayed(server: &str, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = server.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(&*server) else { return };
            for stream in [&client, &server] {
                stream.set_nodelay(true).unwrap();
            }
            let ends = [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))];
            for (from, to) in ends {
                pass_on(from.unwrap(), to.unwrap(), delay);
            }
        }
    });
    address
}

/// A way to a server that is lost as soon as more than this many bytes went there, in all connections together.
pub fn lost_after(server: &str, most: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = server.to_owned();
    thread::spawn(move || {
        let mut left = most;
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(&*server) else { return };
            pass_on(server.try_clone().unwrap(), client.try_clone().unwrap(), Duration::ZERO);
            let (mut from, mut to) = (client, server);
            let mut buffer = vec![0; 1 << 16];
            // One connection after the other, as the server has them.
            while let Ok(n) = from.read(&mut buffer) {
                if n == 0 || to.write_all(&buffer[..n]).is_err() {
                    break;
                }
                let Some(rest) = left.checked_sub(n) else {
                    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    return;
                };
                left = rest;
            }
            let _ = to.shutdown(Shutdown::Both);
        }
    });
    address
}

/// Passes bytes on, each piece as much later as the delay is: many may be under way.
fn pass_on(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, pieces) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(n) = from.read(&mut buffer) {
            if n == 0 || sender.send((Instant::now() + delay, buffer[..n].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, piece) in pieces {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
