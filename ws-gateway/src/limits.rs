//! The numbers that bound the gateway, and the relations between them, held at compile time.

use std::{ops::RangeInclusive, time::Duration};

// Settings.

/// Sockets in all.
pub const CONNECTIONS_MAX_DEFAULT: usize = 20_000;
/// The most that can be set.
pub const CONNECTIONS_MAX: usize = 1_000_000;
/// Sockets of one client address: a whole company may sit behind one.
pub const CONNECTIONS_PER_ADDRESS_MAX_DEFAULT: usize = 1_000;
/// The most proxies in a row.
pub const FORWARDED_HOPS_MAX: usize = 10;
/// Between two frames of changes: below, frames would hold one change each; above, a seat map is not live.
pub const TICK_RANGE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(1);
/// Between two heartbeats: above, proxies close idle connections.
pub const HEARTBEAT_RANGE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
/// How long a client may take nothing.
pub const STALL_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
/// The longest stop.
pub const DRAIN_MAX: Duration = Duration::from_secs(300);
/// Shortest secret: the strength of SHA-256.
pub const SECRET_BYTES_MIN: usize = 32;
/// Files that are no sockets of clients.
pub const FILES_SPARE: usize = 256;

// HTTP and its connections.

/// TCP connections beyond the sockets that may be open: so that one more than fits still hears why it is refused.
pub const HTTP_CONNECTIONS_SPARE: usize = 256;
/// The same for one client address.
pub const HTTP_CONNECTIONS_PER_ADDRESS_SPARE: usize = 32;

/// Connections that the kernel keeps until they are accepted; it may keep fewer.
pub const LISTEN_BACKLOG: u32 = 4_096;
/// Pause after a failed accept.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// How long the headers of a request may take, from the connection or from the answer before: silence ends here.
pub const HEADERS_WAIT: Duration = Duration::from_secs(5);
/// Headers of one request.
pub const HEADERS_MAX: usize = 64;
/// All headers of one request together; also the buffer of its connection.
pub const HTTP_BUFFER_BYTES_MAX: usize = 16 << 10;
/// The body of a request.
pub const BODY_BYTES_MAX: usize = 4 << 10;
/// How long a connection may speak HTTP; then it ends with the answer that is under way.
pub const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);
/// How long that answer may take.
pub const CONNECTION_GRACE: Duration = Duration::from_secs(5);
/// How long the answer to an upgrade may take to be written.
pub const UPGRADE_WAIT: Duration = Duration::from_secs(5);
/// Sections that one socket can name.
pub const SECTIONS_WATCHED_MAX: usize = 64;
/// Files of the page that are kept compressed: all there are, and those of before in development.
pub const PAGE_FILES_KEPT_MAX: u64 = 500;
/// How long a browser may remember who may read.
pub const CORS_AGE_MAX: Duration = Duration::from_secs(3600);
/// When to come back to a full gateway; up to twice that.
pub const RETRY_AFTER_FULL: Duration = Duration::from_secs(2);
/// When to come back while booking-svc does not answer.
pub const RETRY_AFTER_OUTAGE: Duration = Duration::from_secs(1);
/// A page of events where the caller does not say.
pub const PAGE_SIZE_DEFAULT: u32 = 50;
/// The largest page; a larger wish gets this.
pub const PAGE_SIZE_MAX: u32 = 200;
/// What a page token may look like.
pub const PAGE_TOKEN_BYTES_MAX: usize = 512;
/// How long a demo token is good.
pub const DEMO_TOKEN_TTL: Duration = Duration::from_secs(12 * 3600);
/// Demo tokens that are made a second.
pub const DEMO_TOKENS_PER_SECOND: f64 = 50.0;
/// Demo tokens that are made at once.
pub const DEMO_TOKENS_AT_ONCE: f64 = 200.0;
/// At a stop, how long HTTP and the rooms may take after the sessions.
pub const GRACE_HTTP: Duration = Duration::from_secs(2);
/// At a stop, how much longer than TE_DRAIN the sessions are waited for.
pub const GRACE_SESSIONS: Duration = Duration::from_secs(2);

/// Events that are watched at once; each costs a board and a stream.
pub const ROOMS_MAX: usize = 1_000;

// booking-svc's replicas.

/// Calls and streams on one connection, as booking-svc bounds them.
pub const STREAMS_PER_CONNECTION_MAX: usize = 1_024;

/// The most addresses of booking-svc that are used.
pub const TARGETS_MAX: usize = 64;
/// Between two questions to DNS about a target.
pub const RESOLVE_EVERY: Duration = Duration::from_secs(5);
/// The same when calls fail.
pub const RESOLVE_GAP: Duration = Duration::from_millis(500);
/// DNS that takes longer has not answered.
pub const RESOLVE_WAIT: Duration = Duration::from_secs(2);
/// Between two looks at a target's health.
pub const HEALTH_EVERY: Duration = Duration::from_secs(1);
/// A look that takes longer says "not serving".
pub const HEALTH_WAIT: Duration = Duration::from_millis(800);
/// After a first failure, others come before a target for this long; doubled with each more.
pub const TARGET_BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// The most of it.
pub const TARGET_BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Failures are forgotten when a target has been well for this long.
pub const TARGET_FORGIVEN_AFTER: Duration = Duration::from_secs(10);
/// A connection to a target that takes longer is given up.
pub const CONNECT_WAIT: Duration = Duration::from_secs(1);
/// Between two HTTP/2 pings to a target.
pub const HTTP2_PING_EVERY: Duration = Duration::from_secs(10);
/// A target that does not answer a ping for this long is gone.
pub const HTTP2_PING_WAIT: Duration = Duration::from_secs(5);
/// Idle time before the kernel probes a peer.
pub const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

// booking-svc's events.

/// Replicas that are asked before a question is given up.
pub const CALL_ATTEMPTS_MAX: usize = 3;
/// How long one replica may take to answer.
pub const CALL_WAIT: Duration = Duration::from_secs(1);
/// The same for a layout.
pub const LAYOUT_WAIT: Duration = Duration::from_secs(5);
/// Questions about events that are under way at once.
pub const CATALOG_CALLS_MAX: usize = 64;
/// Layouts that are being asked for at once; each may be large.
pub const LAYOUT_CALLS_MAX: usize = 8;
/// How old an event may be when it is served.
pub const EVENT_AGE_MAX: Duration = Duration::from_secs(1);
/// How old it may be while nobody answers.
pub const EVENT_STALE_AGE_MAX: Duration = Duration::from_secs(600);
/// Events, and names that are no events, that are kept.
pub const EVENTS_KEPT_MAX: u64 = 10_000;
/// Pages of the list of events that are kept.
pub const LISTS_KEPT_MAX: u64 = 100;
/// Seats of all layouts that are kept; about 70 bytes each.
pub const LAYOUT_SEATS_KEPT_MAX: u64 = 500_000;
/// The largest layout that is read: 100,000 seats with long labels.
pub const LAYOUT_BYTES_MAX: usize = 32 << 20;

const fn before(a: Duration, b: Duration) -> bool {
    a.as_nanos() < b.as_nanos()
}

// When a single replica is left, the streams of all events go over one connection.
const _: () = assert!(ROOMS_MAX < STREAMS_PER_CONNECTION_MAX);
const _: () = assert!(before(RESOLVE_GAP, RESOLVE_EVERY));
const _: () = assert!(before(TARGET_BACKOFF_MAX, TARGET_FORGIVEN_AFTER));

/// An access token, as booking-svc bounds it.
pub const ACCESS_TOKEN_BYTES_MAX: usize = 8 << 10;
/// A reservation token, as booking-svc bounds it. One of 50 seats is about 800 bytes.
pub const RESERVATION_TOKEN_BYTES_MAX: usize = 4 << 10;
/// Seats of one reservation, as booking-svc bounds them.
pub const SEATS_PER_RESERVATION_MAX: usize = 50;
/// A message of a client: its longest command carries an access token.
pub const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Commands of one socket under way at once; more are refused.
pub const COMMANDS_IN_FLIGHT_MAX: usize = 4;
/// Reservations that one socket follows; a new one displaces the oldest.
pub const OWN_RESERVATIONS_MAX: usize = 8;

// A token fits into a command, even where the client escapes what it need not.
const _: () = assert!(ACCESS_TOKEN_BYTES_MAX * 3 / 2 <= MESSAGE_BYTES_MAX);
const _: () = assert!(RESERVATION_TOKEN_BYTES_MAX < ACCESS_TOKEN_BYTES_MAX);
