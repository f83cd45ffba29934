//! What the room writes while the session's task sleeps, and what it leaves to that task.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Wake, Waker},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::rooms::{Bell, Encoding, testing::Stage};

/// The session's task: counts how often it is woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    fn woken(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

struct Scene {
    stage: Stage,
    task: Arc<Task>,
    line: Line<DuplexStream>,
    far: DuplexStream,
    _bell: Bell,
}

impl Scene {
    /// A line that has written all there was, over a pipe that holds so many bytes.
    async fn new(pipe: usize) -> Self {
        let stage = Stage::new();
        tokio::task::yield_now().await;
        let (near, mut far) = duplex(pipe);
        let (bell, reader) = stage.enter().read(Encoding::Json, None);
        let socket = Socket::new(near, Bytes::new()).await;
        let mut line = Line::new(socket, reader, frames::text("hello"), Duration::from_secs(9));
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        while !line.takes() {
            let _ = line.poll(&mut Context::from_waker(&waker), true);
            drain(&mut far).await;
        }
        // Nothing to read: now the stream knows whom to wake.
        assert!(line.poll(&mut Context::from_waker(&waker), true).is_pending());
        task.woken();
        Self { stage, task, line, far, _bell: bell }
    }

    fn poll(&mut self) -> Poll<Event> {
        let waker = Waker::from(Arc::clone(&self.task));
        self.line.poll(&mut Context::from_waker(&waker), true)
    }

    /// A change is shown, and the room writes it.
    async fn change(&mut self) {
        self.stage.change();
        sleep(Duration::from_secs(1)).await;
        self.line.push();
    }
}

/// What there is to read now.
async fn drain(far: &mut DuplexStream) -> String {
    let mut bytes = Vec::new();
    poll_fn(|cx| {
        let mut read = Box::pin(far.read_buf(&mut bytes));
        while let Poll::Ready(Ok(1..)) = read.as_mut().poll(cx) {
            drop(read);
            read = Box::pin(far.read_buf(&mut bytes));
        }
        Poll::Ready(())
    })
    .await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(start_paused = true)]
async fn the_room_writes_and_wakes_nobody() {
    let mut scene = Scene::new(4_096).await;
    scene.change().await;
    assert!(drain(&mut scene.far).await.contains("\"version\":1"));
    scene.line.ask();
    assert_eq!(drain(&mut scene.far).await, String::from_utf8_lossy(&frames::ping()));
    assert_eq!(scene.task.woken(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_go_out_at_once_is_left_to_the_task() {
    let mut scene = Scene::new(40).await;
    scene.change().await;
    assert_eq!((scene.task.woken(), scene.line.takes()), (1, false));
    // The next change waits for the end of the frame, and nobody is woken for it: the peer has to read first.
    scene.change().await;
    scene.line.ask();
    assert_eq!(scene.task.woken(), 0);
    let mut got = String::new();
    while !scene.line.takes() {
        let _ = scene.poll();
        got += &drain(&mut scene.far).await;
    }
    let whole = |after, version, seat| {
        let text = format!(
            r#"{{"type":"changes","epoch":1,"after_version":{after},"version":{version},"held":[{seat}]}}"#
        );
        String::from_utf8_lossy(&frames::text(&text)).into_owned()
    };
    assert_eq!(got, whole(0, 1, 0) + &whole(1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_private_frame_that_waits_goes_first_and_by_the_task() {
    let mut scene = Scene::new(4_096).await;
    scene.line.put(frames::text("reply"));
    scene.change().await;
    assert_eq!(drain(&mut scene.far).await, "");
    assert!(matches!(scene.poll(), Poll::Ready(Event::Cleared)));
    let got = drain(&mut scene.far).await;
    assert!(got.find("reply") < got.find("changes") && got.contains("reply"), "{got}");
}

#[tokio::test(start_paused = true)]
async fn a_pong_that_is_owed_goes_first() {
    let mut scene = Scene::new(4_096).await;
    scene.far.write_all(&[0x89, 0x81, 0, 0, 0, 0, b'!']).await.unwrap();
    assert!(matches!(scene.poll(), Poll::Ready(Event::Message(Message::Ping(_)))));
    scene.change().await;
    assert!(drain(&mut scene.far).await.as_bytes().ends_with(b"}"));
    let _ = scene.poll();
    assert_eq!(drain(&mut scene.far).await, "");
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_the_peers_close_frame_but_its_answer() {
    let mut scene = Scene::new(4_096).await;
    scene.far.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await.unwrap();
    assert!(matches!(scene.poll(), Poll::Ready(Event::Message(Message::Close(_)))));
    scene.change().await;
    scene.line.ask();
    let got = drain(&mut scene.far).await;
    assert!(got.is_empty() || got.as_bytes()[0] == 0x88 && got.len() == 2, "{got:?}");
}

#[tokio::test(start_paused = true)]
async fn who_attends_hears_of_what_the_room_writes() {
    let mut scene = Scene::new(4_096).await;
    scene.line.attend();
    scene.change().await;
    assert_eq!(scene.task.woken(), 1);
    assert!(matches!(scene.poll(), Poll::Ready(Event::News)));
    assert!(scene.poll().is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_is_found_by_the_task() {
    let mut scene = Scene::new(4_096).await;
    for _ in 0..UNHEARD_MAX {
        scene.line.ask();
        assert_eq!(scene.task.woken(), 0);
    }
    scene.line.ask();
    assert_eq!(scene.task.woken(), 1);
    assert!(matches!(scene.poll(), Poll::Ready(Event::End(End::Silent))));
}
