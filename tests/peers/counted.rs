//! A door in front of a server that counts the bytes that go in.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The door.
pub struct Counted {
    addr: SocketAddr,
    bytes: Arc<AtomicU64>,
}

fn pass(mut from: TcpStream, mut to: TcpStream, count: Option<Arc<AtomicU64>>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 {
            break;
        }
        if let Some(count) = &count {
            count.fetch_add(read as u64, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

impl Counted {
    /// A door on a free port to `server` (`HOST:PORT`).
    pub fn spawn(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let bytes = Arc::new(AtomicU64::new(0));
        let (server, counter) = (server.to_owned(), bytes.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(inner) = TcpStream::connect(&server) else { continue };
                let (Ok(client_read), Ok(inner_read)) = (client.try_clone(), inner.try_clone()) else {
                    continue;
                };
                let counter = counter.clone();
                std::thread::spawn(move || pass(client_read, inner, Some(counter)));
                std::thread::spawn(move || pass(inner_read, client, None));
            }
        });
        Self { addr, bytes }
    }
    /// Its address as a base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
    /// Bytes that clients have sent to the server.
    pub fn requests_bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }
}
