//! The greeting of a server of devices, asked for before llama.cpp connects: llama.cpp ends the process if it is not what it
//! expects, and waits for it without a limit.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, ToSocketAddrs},
    str::FromStr,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// `RPC_CMD_HELLO`, the one number that no version of the protocol changes.
const HELLO: u8 = 14;

/// Bytes by which both sides say what their network can do, all zero for TCP alone.
const CAPABILITIES: usize = 24;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub major: u8,
    pub minor: u8,
    pub patch: u8,
}

impl Version {
    /// Whether a client of this version can use such a server, as llama.cpp decides it.
    fn can_use(self, server: Self) -> bool {
        server.major == self.major && server.minor <= self.minor
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    host: String,
    port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// As llama.cpp reads it, which takes anything and ends the process if it cannot connect.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.contains("://") {
            return Err("write HOST:PORT without a scheme, such as 192.168.1.20:50052".into());
        }
        if text.matches(':').count() > 1 || text.contains('[') {
            return Err(
                "llama.cpp's RPC uses IPv4 alone: write a name or an IPv4 address, and one port".into()
            );
        }
        let Some((host, port)) = text.split_once(':') else {
            return Err(format!("it names no port: write HOST:PORT, such as {}:50052", or_host(text)));
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if host.is_empty() || host.len() > 253 || !host.chars().all(is_name) {
            return Err(format!(
                "{host:?} is not a name or an IPv4 address: write HOST:PORT, such as 192.168.1.20:50052"
            ));
        }
        let is_digits = port.bytes().all(|byte| byte.is_ascii_digit());
        match port.parse() {
            Ok(port) if is_digits && port > 0 => Ok(Self { host: host.into(), port }),
            _ => Err(format!("{port:?} is not a port: write 1 to 65535, such as {host}:50052")),
        }
    }
}

fn or_host(text: &str) -> &str {
    if text.is_empty() { "HOST" } else { text }
}

/// Connects, exchanges greetings and closes the connection. Returns where the server is; all of it takes no longer than
/// `timeout`.
///
/// # Errors
/// What is wrong with the server, and what to do.
pub(super) fn greet(endpoint: &Endpoint, ours: Version, timeout: Duration) -> Result<SocketAddrV4, String> {
    // A century, for a limit that cannot be added to now.
    let deadline = Instant::now() + timeout.min(Duration::from_secs(3_153_600_000));
    let within = Within { deadline, timeout };
    let address = resolve(endpoint, within)?;
    let server = match ask(address, &[0; CAPABILITIES], within)? {
        Some(server) => server,
        // Versions before 4 know no capabilities, and close the connection.
        None => match ask(address, &[], within)? {
            Some(server) => server,
            None => {
                return Err(format!(
                    "it closed the connection without a greeting: it speaks another version of the protocol than \
                     {ours}, or it is not an RPC server; build both sides from the same llama.cpp"
                ));
            }
        },
    };
    if ours.can_use(server) {
        return Ok(address);
    }
    Err(format!(
        "it speaks version {server} of the protocol, and this program {ours}: build both sides from the same llama.cpp"
    ))
}

/// A point in time, and how long that was when it began.
#[derive(Clone, Copy)]
struct Within {
    deadline: Instant,
    timeout: Duration,
}

impl Within {
    fn left(self) -> Result<Duration, String> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.silent()) } else { Ok(left) }
    }

    fn silent(self) -> String {
        format!(
            "it did not answer within {:?}: it may be busy, since a server has one client at a time, or not be an RPC \
             server; end the other client, check the port, or allow more time",
            self.timeout
        )
    }

    /// A failure while bytes are exchanged; `None` if the other side closed the connection.
    fn failed(self, error: &io::Error) -> Result<(), String> {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Err(self.silent()),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(format!("the connection failed: {error}")),
        }
    }
}

/// The address that llama.cpp will connect to.
fn resolve(endpoint: &Endpoint, within: Within) -> Result<SocketAddrV4, String> {
    if let Ok(ip) = endpoint.host.parse::<Ipv4Addr>() {
        return Ok(SocketAddrV4::new(ip, endpoint.port));
    }
    // The system looks names up for as long as it likes.
    let (sender, receiver) = mpsc::channel();
    let name = endpoint.to_string();
    let look_up = move || {
        // Nobody waits any more if it took too long.
        let _ = sender.send(name.to_socket_addrs().map(Iterator::collect::<Vec<_>>));
    };
    thread::Builder::new().spawn(look_up).map_err(|error| format!("no thread can be started: {error}"))?;
    let found = receiver.recv_timeout(within.left()?).map_err(|_| {
        format!(
            "the name was not found within {:?}: check the spelling, or write an IPv4 address",
            within.timeout
        )
    })?;
    let found = found.map_err(|error| {
        format!("the name is not found ({error}): check the spelling, or write an IPv4 address")
    })?;
    let of_four = found.iter().find_map(|address| match address {
        SocketAddr::V4(address) => Some(*address),
        SocketAddr::V6(_) => None,
    });
    of_four.ok_or_else(|| "the name has no IPv4 address, and llama.cpp's RPC uses no other".into())
}

/// Sends a greeting with this content; the version in the answer, `None` if the server closes the connection.
fn ask(address: SocketAddrV4, content: &[u8], within: Within) -> Result<Option<Version>, String> {
    let mut stream = TcpStream::connect_timeout(&address.into(), within.left()?).map_err(|error| {
        if error.kind() == io::ErrorKind::TimedOut {
            return format!(
                "there is no answer from {} within {:?}: check address, network and firewall",
                address.ip(),
                within.timeout
            );
        }
        format!(
            "nothing listens there ({error}): start the example `worker` or llama.cpp's rpc-server on that machine, and \
             check port and firewall"
        )
    })?;
    let mut greeting = vec![HELLO];
    greeting.extend((content.len() as u64).to_le_bytes());
    greeting.extend(content);
    stream.set_write_timeout(Some(within.left()?)).map_err(|error| error.to_string())?;
    if let Err(error) = stream.write_all(&greeting) {
        return within.failed(&error).map(|()| None);
    }
    let mut size = [0; 8];
    if !read(&mut stream, &mut size, within)? {
        return Ok(None);
    }
    if size.starts_with(b"HTTP") {
        return Err("it answers in HTTP, so it is a web server: check the port".into());
    }
    // Three numbers; later versions add a byte that means nothing, and capabilities.
    let mut answer = [0; 4 + CAPABILITIES];
    let length = usize::try_from(u64::from_le_bytes(size)).unwrap_or(usize::MAX);
    match answer.get_mut(..length) {
        Some(answer) if length >= 3 => {
            if !read(&mut stream, answer, within)? {
                return Ok(None);
            }
        }
        _ => return Err("its answer is not the greeting of an RPC server: check the port".into()),
    }
    let [major, minor, patch, ..] = answer;
    Ok(Some(Version { major, minor, patch }))
}

/// Fills the buffer; false if the other side closes the connection before.
fn read(stream: &mut TcpStream, buffer: &mut [u8], within: Within) -> Result<bool, String> {
    let mut n = 0;
    while n < buffer.len() {
        stream.set_read_timeout(Some(within.left()?)).map_err(|error| error.to_string())?;
        match stream.read(&mut buffer[n..]) {
            Ok(0) => return Ok(false),
            Ok(more) => n += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return within.failed(&error).map(|()| false),
        }
    }
    Ok(true)
}

#[cfg(test)]
#[path = "rpc_greeting_tests.rs"]
mod tests;
