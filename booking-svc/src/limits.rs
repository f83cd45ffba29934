//! The numbers that bound the edge of the service, and the relations between them, held at compile time.

use std::time::Duration;

/// A call without `grpc-timeout` is answered within this.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(5);
/// The same for CreateEvent, which stores up to 100,000 seats.
pub const DEADLINE_CREATE_EVENT: Duration = Duration::from_secs(30);
/// The longest `grpc-timeout` that is honoured: a call keeps its place in [`CALLS_MAX_DEFAULT`] meanwhile.
pub const DEADLINE_MAX: Duration = Duration::from_secs(60);

/// How long a Confirm waits for the vault before its caller is told to repeat it.
pub const DECISION_WAIT_DEFAULT: Duration = Duration::from_millis(800);
/// How long a begun Confirm may stay undecided before the sweeper has the vault decide void.
pub const CONFIRM_WINDOW_DEFAULT: Duration = Duration::from_secs(10);
/// How long ended reservations are remembered, for late repeats.
pub const TOMBSTONE_TTL_DEFAULT: Duration = Duration::from_secs(600);
/// Between two passes of the sweeper: watchers see an expiry within a second.
pub const SWEEP_EVERY_DEFAULT: Duration = Duration::from_millis(250);
/// Between two comparisons of gate and vault.
pub const RECONCILE_EVERY_DEFAULT: Duration = Duration::from_secs(30);

/// Connections of clients at once; one more is closed. Each is an open file.
pub const CLIENT_CONNECTIONS_MAX_DEFAULT: usize = 4_096;
/// Open files beside the connections of clients and stores: listeners, pipes, settings.
pub const FILES_SPARE: usize = 64;
/// Calls under way at once, over all connections; more are shed.
pub const CALLS_MAX_DEFAULT: usize = 4_096;
/// Calls under way at once on one connection; more wait in the client.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 1_024;
/// Streams of one connection that its client may make the service reset by errors; then the connection ends.
pub const ERROR_RESETS_MAX: usize = 1_024;
/// Answers with a layout that are made, or not taken yet, at once: one of 100,000 seats is some MB. More wait for a place.
pub const LAYOUTS_UNDER_WAY_MAX: usize = 32;
/// How long a call waits for such a place; then it is shed.
pub const LAYOUT_PLACE_WAIT: Duration = Duration::from_secs(1);
/// Of them, those that are being made: it is long work, and calls that wait for a store must not wait for it.
pub const LAYOUTS_MADE_MAX: usize = 2;
/// Who watches seats at once, over all connections; more are refused. They take no places of calls.
pub const WATCHERS_MAX_DEFAULT: usize = 4_096;
/// Events whose seats are watched at once.
pub const BOARDS_MAX: usize = 1_024;
/// The largest request of `BookingService`.
pub const BOOKING_REQUEST_BYTES_MAX: usize = 64 << 10;
/// The largest request of `EventService`: a house of 100,000 seats with long labels.
pub const EVENT_REQUEST_BYTES_MAX: usize = 32 << 20;
/// The headers of one call.
pub const HEADER_BYTES_MAX: u32 = 16 << 10;
/// An access token.
pub const ACCESS_TOKEN_BYTES_MAX: usize = 8 << 10;
/// A JWKS file.
pub const JWKS_BYTES_MAX: u64 = 1 << 20;
/// Keys of a JWKS file.
pub const JWKS_KEYS_MAX: usize = 100;

/// What a stream may send before the service has read it.
pub const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// What a connection may send before the service has read it.
pub const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// Between two HTTP/2 pings to a client.
pub const HTTP2_PING_EVERY: Duration = Duration::from_secs(20);
/// A client that does not answer a ping for this long is gone.
pub const HTTP2_PING_WAIT: Duration = Duration::from_secs(10);
/// Idle time before the kernel probes a client.
pub const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// A connection whose client has not begun HTTP/2, or TLS, by then is given up.
pub const OPENING_WAIT: Duration = Duration::from_secs(5);
/// A client of which nothing at all was heard for this long is gone.
pub const SILENCE_MAX: Duration = Duration::from_secs(35);
/// A map or a list that its client has not taken by then ends the connection.
pub const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// A TLS handshake that takes longer is given up.
pub const TLS_HANDSHAKE_WAIT: Duration = Duration::from_secs(5);
/// Pause after a failed accept: without it a full file table keeps a core busy.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Between two looks at the stores for the health service.
pub const READY_EVERY: Duration = Duration::from_millis(500);
/// A store that takes longer for its answer to a look counts as down.
pub const PING_WAIT: Duration = Duration::from_millis(400);
/// A look that takes longer says "not ready".
pub const READY_WAIT: Duration = Duration::from_millis(450);
/// Between two looks at a JWKS file.
pub const JWKS_LOOK_EVERY: Duration = Duration::from_secs(3);
/// The clocks of token issuer and service may differ by this much.
pub const CLOCK_SKEW: Duration = Duration::from_secs(10);

/// At a stop, how long calls under way may take.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(10);
/// At a stop, how long the critical sections may take after that: they wait for the vault's decision.
pub const GRACE_WORK: Duration = Duration::from_secs(10);
/// At a stop, how long the loops may take after that.
pub const GRACE_DAEMONS: Duration = Duration::from_secs(2);

/// The answer's RetryInfo while a Confirm is under way.
pub const RETRY_CONFIRMING: Duration = Duration::from_millis(250);
/// The answer's RetryInfo while a store is away.
pub const RETRY_BACKEND: Duration = Duration::from_millis(500);
/// The answer's RetryInfo when a call is shed.
pub const RETRY_OVERLOADED: Duration = Duration::from_millis(200);
/// The RetryInfo of a stream that ends to go on elsewhere: time enough for another connection.
pub const RETRY_STREAM_ENDED: Duration = Duration::from_millis(50);

/// A page of a list where the caller does not say.
pub const PAGE_SIZE_DEFAULT: u32 = 50;
/// The largest page; a larger wish gets this.
pub const PAGE_SIZE_MAX: u32 = 200;

/// Shortest secret: the strength of SHA-256.
pub const SECRET_BYTES_MIN: usize = 32;

/// How long a call waits for a connection to a store.
pub const POOL_WAIT: Duration = Duration::from_millis(200);
/// How long a call waits for PostgreSQL's answer. An outage is told in well under a second, a wait for a connection
/// included.
pub const QUERY_WAIT: Duration = Duration::from_millis(750);
/// The most connections to one store.
pub const CONNECTIONS_MAX: u32 = 1_000;
/// Connections to PostgreSQL.
pub const DATABASE_CONNECTIONS_DEFAULT: u32 = 16;
/// Replicas that a hold can wait for.
pub const REPLICAS_MAX: u32 = 16;
/// How long a call waits for them.
pub const REPLICAS_WAIT_DEFAULT: Duration = Duration::from_millis(100);
/// The most that can be set: a Confirm may have to wait twice, and behind a wait that was under way.
pub const REPLICAS_WAIT_MAX: Duration = Duration::from_millis(400);
/// The longest time for which a Redis that was cut off may go on.
pub const FAILOVER_LAG_MAX: Duration = Duration::from_secs(600);
/// Connections to Redis; each carries many calls at once.
pub const REDIS_CONNECTIONS_DEFAULT: u32 = 4;

const fn before(a: Duration, b: Duration) -> bool {
    a.as_nanos() < b.as_nanos()
}

// The caller hears "repeat the call" from us, not a deadline from the edge.
const _: () = assert!(before(DECISION_WAIT_DEFAULT, DEADLINE_DEFAULT));
const _: () = assert!(before(POOL_WAIT, DECISION_WAIT_DEFAULT));
const _: () = assert!(2 * REPLICAS_WAIT_MAX.as_millis() <= DECISION_WAIT_DEFAULT.as_millis());
const _: () = assert!(POOL_WAIT.as_millis() + QUERY_WAIT.as_millis() < 1_000);
const _: () = assert!(before(DEADLINE_DEFAULT, DEADLINE_CREATE_EVENT));
const _: () = assert!(before(DEADLINE_CREATE_EVENT, DEADLINE_MAX));
// The sweeper does not decide over a Confirm whose caller still waits.
const _: () = assert!(before(DECISION_WAIT_DEFAULT, CONFIRM_WINDOW_DEFAULT));
const _: () = assert!(before(DECISION_WAIT_DEFAULT, GRACE_WORK));
const _: () = assert!(before(DEADLINE_DEFAULT, GRACE_DEFAULT));
// A late repeat of a Confirm must find its reservation.
const _: () = assert!(before(CONFIRM_WINDOW_DEFAULT, TOMBSTONE_TTL_DEFAULT));
// An expired hold is seen within a second.
const _: () = assert!(before(SWEEP_EVERY_DEFAULT, Duration::from_secs(1)));
const _: () = assert!(before(PING_WAIT, READY_WAIT) && before(READY_WAIT, READY_EVERY));
// A token fits into the headers, a whole request into a connection's window.
const _: () = assert!(ACCESS_TOKEN_BYTES_MAX < HEADER_BYTES_MAX as usize);
const _: () = assert!(BOOKING_REQUEST_BYTES_MAX < STREAM_WINDOW_BYTES as usize);
const _: () = assert!(STREAM_WINDOW_BYTES < CONNECTION_WINDOW_BYTES);
// Who lives has answered a ping by then.
const _: () = assert!(HTTP2_PING_EVERY.as_secs() + HTTP2_PING_WAIT.as_secs() < SILENCE_MAX.as_secs());
const _: () = assert!(before(OPENING_WAIT, SILENCE_MAX));
const _: () = assert!(PAGE_SIZE_DEFAULT <= PAGE_SIZE_MAX);
