//! TLS connectors that the clients of one process share. The setup of TLS takes tens of milliseconds, mostly for the
//! system's roots.
//!
//! Connectors are distinguished by the contents of the certificate files, not by their names: a changed file leads to
//! another connector. After [`RENEWED_AFTER`] a connecting client gets a new one in any case, because not every source
//! of the system's roots can be checked. A client keeps its first connector.
//!
//! A connector without a client certificate holds no secret, and is kept for the next client. A connector with a client
//! certificate is dropped with the last client that uses it, together with the key.

use std::fs;
use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, UNIX_EPOCH};

use parking_lot::Mutex;

use super::files::Files;
use super::{Setup, Trust};
use crate::clock::Clock;
use crate::error::{self, Result};

/// Time for which a connector is given to further clients.
const RENEWED_AFTER: Duration = Duration::from_secs(10 * 60);

/// Number of connectors that are kept for further clients.
const KEPT: usize = 8;

/// Longest wait for the table's lock, which is held for microseconds only. If the lock is held for longer, this process
/// was forked while another thread held it. This client then gets its own connector.
const PATIENCE: Duration = Duration::from_millis(100);

/// A connector, set up by the first thread that needs it.
pub(in super::super) struct Shared {
    setup: Mutex<Option<Setup>>,
    trust: OnceLock<Result<Trust>>,
}

impl Shared {
    fn new(setup: Setup) -> Arc<Self> {
        Arc::new(Self { setup: Mutex::new(Some(setup)), trust: OnceLock::new() })
    }

    /// Returns the connector. The first caller sets it up, and others wait for that. The setup takes processor time and
    /// reads the system's files of certificates, but waits for no peer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if TLS cannot be set up.
    pub(in super::super) fn trust(&self) -> Result<&Trust> {
        let made = self.trust.get_or_init(|| {
            let setup = self.setup.lock().take();
            // Only an attempt that panicked leaves nothing here.
            setup.ok_or_else(|| error::config("TLS cannot be set up: it failed before"))?.build()
        });
        made.as_ref().map_err(Clone::clone)
    }

    fn has_failed(&self) -> bool {
        self.trust.get().is_some_and(Result::is_err)
    }
}

/// A connector of the cache.
enum Held {
    /// A connector for further clients.
    Open(Arc<Shared>),
    /// A connector with a key, which only its clients keep alive.
    Secret(Weak<Shared>),
}

impl Held {
    fn get(&self) -> Option<Arc<Shared>> {
        match self {
            Self::Open(shared) => Some(Arc::clone(shared)),
            Self::Secret(shared) => shared.upgrade(),
        }
    }
}

/// A connector with the settings that it was made for.
struct Entry {
    key: [u64; 2],
    made: Instant,
    held: Held,
}

/// The connectors of a process.
#[derive(Default)]
struct Table {
    /// ID of the process that owns the entries. A forked process must not use those of its parent: another thread may
    /// have been inside the library during the fork.
    process: u32,
    entries: Vec<Entry>,
}

/// The connectors of a process.
pub(super) struct Cache(Mutex<Option<(Keys, Table)>>);

/// The hash keys of the connectors' keys. They are random, so that a connector's key reveals nothing about its input,
/// and two sets of files collide only by chance, once in 2¹²⁸.
type Keys = [RandomState; 2];

static PROCESS: Cache = Cache::new();

/// Returns the connector for these files, an existing one of the process if possible.
pub(super) fn of_process(files: Files, setup: impl FnOnce(Files) -> Result<Setup>) -> Result<Arc<Shared>> {
    PROCESS.get(files, Clock::real().now(), std::process::id(), setup)
}

impl Cache {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub(super) fn get(
        &self,
        files: Files,
        now: Instant,
        process: u32,
        setup: impl FnOnce(Files) -> Result<Setup>,
    ) -> Result<Arc<Shared>> {
        let Some(keys) = self.keys() else { return Ok(Shared::new(setup(files)?)) };
        let (key, secret) = (key_of(&files, &keys), files.client.is_some());
        if let Some(shared) = self.find(key, now, process) {
            return Ok(shared);
        }
        let shared = Shared::new(setup(files)?);
        Ok(self.add(key, now, secret, shared))
    }

    fn keys(&self) -> Option<Keys> {
        let mut state = self.0.try_lock_for(PATIENCE)?;
        let (keys, _) = state.get_or_insert_with(|| ([RandomState::new(), RandomState::new()], Table::default()));
        Some(keys.clone())
    }

    fn find(&self, key: [u64; 2], now: Instant, process: u32) -> Option<Arc<Shared>> {
        let mut state = self.0.try_lock_for(PATIENCE)?;
        let (_, table) = state.as_mut()?;
        if table.process != process {
            // The entries are not dropped, because that would use the library too.
            std::mem::forget(std::mem::take(&mut table.entries));
            table.process = process;
        }
        table.get(key, now)
    }

    /// Adds a connector, unless another thread has added one first.
    fn add(&self, key: [u64; 2], now: Instant, secret: bool, shared: Arc<Shared>) -> Arc<Shared> {
        let Some(mut state) = self.0.try_lock_for(PATIENCE) else { return shared };
        let Some((_, table)) = state.as_mut() else { return shared };
        if let Some(first) = table.get(key, now) {
            return first;
        }
        let old = table.make_room(key, now);
        let held = if secret { Held::Secret(Arc::downgrade(&shared)) } else { Held::Open(Arc::clone(&shared)) };
        table.entries.push(Entry { key, made: now, held });
        drop(state);
        drop(old);
        shared
    }
}

impl Table {
    fn get(&self, key: [u64; 2], now: Instant) -> Option<Arc<Shared>> {
        let fresh = |entry: &&Entry| now.saturating_duration_since(entry.made) < RENEWED_AFTER;
        let found = self.entries.iter().filter(fresh).find(|entry| entry.key == key)?;
        found.held.get().filter(|shared| !shared.has_failed())
    }

    /// Removes expired connectors, and the oldest one if there is no room.
    fn make_room(&mut self, key: [u64; 2], now: Instant) -> Vec<Entry> {
        let is_useful = |entry: &Entry| {
            entry.key != key
                && now.saturating_duration_since(entry.made) < RENEWED_AFTER
                && entry.held.get().is_some_and(|shared| !shared.has_failed())
        };
        let (kept, mut old): (Vec<_>, Vec<_>) = std::mem::take(&mut self.entries).into_iter().partition(is_useful);
        self.entries = kept;
        if self.entries.len() >= KEPT {
            old.push(self.entries.remove(0));
        }
        old
    }
}

/// Two hashes of one text.
struct Digest([DefaultHasher; 2]);

impl Digest {
    fn part(&mut self, bytes: &[u8]) {
        for hasher in &mut self.0 {
            // The length comes first, so that different rows of parts never look the same.
            hasher.write_usize(bytes.len());
            hasher.write(bytes);
        }
    }

    fn number(&mut self, number: usize) {
        self.part(&number.to_ne_bytes());
    }

    /// Hashes the content of a file. Of another kind of entry only the existence is hashed.
    fn file(&mut self, path: &Path) {
        match fs::metadata(path) {
            Ok(about) if about.is_file() => self.part(&fs::read(path).unwrap_or_default()),
            about => self.number(about.is_ok().into()),
        }
    }

    /// Hashes the modification time of a directory. The content of its files is seen when the connector is renewed: the
    /// system's directory has hundreds of files.
    fn directory(&mut self, path: &Path) {
        let changed = fs::metadata(path).ok().and_then(|about| about.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        self.part(&changed.unwrap_or_default().as_nanos().to_ne_bytes());
    }
}

/// Returns the key of a connector: the library, the certificates of the settings, the client certificate, and the files
/// that the variables of the system name.
fn key_of(files: &Files, keys: &Keys) -> [u64; 2] {
    let mut digest = Digest(keys.each_ref().map(BuildHasher::build_hasher));
    digest.number(files.backend as usize);
    digest.number(files.only.into());
    digest.number(files.roots.len());
    for root in &files.roots {
        digest.part(root.pem.as_bytes());
    }
    if let Some(client) = &files.client {
        digest.part(client.chain_pem.as_bytes());
        digest.part(client.key_pem.expose().as_bytes());
    }
    if !files.only {
        for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
            let value = std::env::var_os(variable).unwrap_or_default();
            digest.part(value.as_encoded_bytes());
            for path in std::env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()) {
                if path.is_dir() { digest.directory(&path) } else { digest.file(&path) }
            }
        }
    }
    digest.0.map(|hasher| hasher.finish())
}

#[cfg(test)]
#[cfg(all(feature = "native-tls", feature = "rustls"))]
mod tests {
    use std::cell::Cell;
    use std::path::PathBuf;

    use super::super::files::load;
    use super::super::{ClientFiles, Roots, TlsBackend, TlsSettings, by_native_tls, by_rustls};
    use super::*;

    const BACKENDS: [TlsBackend; 2] = [TlsBackend::NativeTls, TlsBackend::Rustls];
    /// The process ID in these tests.
    const US: u32 = 1;

    /// A file that is removed with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn with(text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("signalwire-relay-{}.pem", uuid::Uuid::new_v4()));
            fs::write(&path, text).expect("a file");
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    /// A certificate and its key, as PEM.
    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        (made.cert.pem(), made.key_pair.serialize_pem())
    }

    fn settings(backend: TlsBackend, roots: &Scratch) -> TlsSettings {
        let roots = vec![Roots { setting: "Builder::ca_file", path: roots.0.clone(), is_directory: false }];
        TlsSettings { backend: Some(backend), roots, only: true, client: None }
    }

    struct Test {
        cache: Cache,
        began: Instant,
        set_up: Cell<usize>,
    }

    impl Test {
        fn new() -> Self {
            Self { cache: Cache::new(), began: Clock::real().now(), set_up: Cell::new(0) }
        }

        fn get(&self, settings: &TlsSettings) -> Arc<Shared> {
            self.get_at(settings, Duration::ZERO, US)
        }

        fn get_at(&self, settings: &TlsSettings, after: Duration, process: u32) -> Arc<Shared> {
            let backend = settings.backend.expect("a library");
            let files = load(settings, backend).expect("good files");
            let setup = |files| {
                self.set_up.set(self.set_up.get() + 1);
                match backend {
                    TlsBackend::NativeTls => by_native_tls::Setup::read(files).map(Setup::NativeTls),
                    TlsBackend::Rustls => by_rustls::Setup::read(files).map(Setup::Rustls),
                }
            };
            self.cache.get(files, self.began + after, process, setup).expect("a connector")
        }

        fn entries(&self) -> usize {
            self.cache.0.lock().as_ref().map_or(0, |(_, table)| table.entries.len())
        }
    }

    #[test]
    fn clients_with_the_same_certificates_share_a_connector_and_others_do_not() {
        let (test, (pem, _)) = (Test::new(), made());
        let (file, copy, other) = (Scratch::with(&pem), Scratch::with(&pem), Scratch::with(&made().0));
        for (count, backend) in BACKENDS.into_iter().enumerate() {
            let first = test.get(&settings(backend, &file));
            assert!(first.trust().is_ok());
            assert!(Arc::ptr_eq(&first, &test.get(&settings(backend, &file))));
            assert!(Arc::ptr_eq(&first, &test.get(&settings(backend, &copy))), "the name of the file is of no account");
            assert!(!Arc::ptr_eq(&first, &test.get(&settings(backend, &other))));
            assert_eq!(test.set_up.get(), (count + 1) * 2);
        }
    }

    #[test]
    fn a_file_that_has_changed_gives_another_connector() {
        for backend in BACKENDS {
            let (test, (before, _), (after, _)) = (Test::new(), made(), made());
            let file = Scratch::with(&before);
            let old = test.get(&settings(backend, &file));
            fs::write(&file.0, &after).expect("written");
            let new = test.get(&settings(backend, &file));
            assert!(!Arc::ptr_eq(&old, &new) && new.trust().is_ok());
            fs::write(&file.0, &before).expect("written");
            assert!(Arc::ptr_eq(&old, &test.get(&settings(backend, &file))));
        }
    }

    #[test]
    fn a_connector_is_renewed_when_it_is_old_and_not_shared_with_a_forked_process() {
        let test = Test::new();
        let file = Scratch::with(&made().0);
        let settings = settings(TlsBackend::Rustls, &file);
        let first = test.get(&settings);
        let young = RENEWED_AFTER - Duration::from_nanos(1);
        assert!(Arc::ptr_eq(&first, &test.get_at(&settings, young, US)));
        let second = test.get_at(&settings, RENEWED_AFTER, US);
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &test.get_at(&settings, RENEWED_AFTER + young, US)));
        assert_eq!(test.entries(), 1);
        let of_child = test.get_at(&settings, RENEWED_AFTER, US + 1);
        assert!(!Arc::ptr_eq(&second, &of_child));
        assert!(Arc::ptr_eq(&of_child, &test.get_at(&settings, RENEWED_AFTER, US + 1)));
    }

    #[test]
    fn a_connector_with_a_key_goes_with_the_last_client_and_one_without_stays() {
        for backend in BACKENDS {
            let (test, (chain, key)) = (Test::new(), made());
            let (chain, key) = (Scratch::with(&chain), Scratch::with(&key));
            let open = settings(backend, &chain);
            let client = Some(ClientFiles { chain: chain.0.clone(), key: key.0.clone() });
            let secret = TlsSettings { client, ..settings(backend, &chain) };
            let (first, stays) = (test.get(&secret), Arc::downgrade(&test.get(&open)));
            assert!(first.trust().is_ok());
            assert!(Arc::ptr_eq(&first, &test.get(&secret)));
            let gone = Arc::downgrade(&first);
            drop(first);
            assert!(gone.upgrade().is_none(), "nobody uses it any more");
            assert!(stays.upgrade().is_some_and(|stays| Arc::ptr_eq(&stays, &test.get(&open))));
            assert!(test.get(&secret).trust().is_ok());
        }
    }

    #[test]
    fn a_connector_that_could_not_be_set_up_is_tried_anew() {
        for backend in BACKENDS {
            let (test, (chain, _), (_, other)) = (Test::new(), made(), made());
            let (chain, key) = (Scratch::with(&chain), Scratch::with(&other));
            let client = Some(ClientFiles { chain: chain.0.clone(), key: key.0.clone() });
            let settings = TlsSettings { client, ..settings(backend, &chain) };
            let failed = test.get(&settings);
            let why = failed.trust().err().map(|error| error.to_string());
            assert!(why.is_some_and(|why| why.contains("does not belong")), "{backend:?}");
            assert!(!Arc::ptr_eq(&failed, &test.get(&settings)));
        }
    }

    #[test]
    fn only_so_many_connectors_are_kept() {
        let test = Test::new();
        let files: Vec<_> = (0..=KEPT).map(|_| Scratch::with(&made().0)).collect();
        let get = |file: &Scratch| test.get(&settings(TlsBackend::Rustls, file));
        let all: Vec<_> = files.iter().map(get).collect();
        assert_eq!(test.entries(), KEPT);
        assert!(all.iter().zip(&files).skip(1).all(|(shared, file)| Arc::ptr_eq(shared, &get(file))));
        assert!(!Arc::ptr_eq(&all[0], &get(&files[0])), "the oldest made room");
    }
}
