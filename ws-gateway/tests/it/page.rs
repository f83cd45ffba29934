use crate::{gateway::Gateway, stand_in::StandIn};

#[tokio::test]
async fn the_page_runs_nothing_but_its_own_files() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let page = gateway.get("/?event=gala").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(
        (page.header("x-content-type-options"), page.header("cache-control")),
        ("nosniff", "no-cache")
    );
    assert_eq!(page.header("referrer-policy"), "same-origin");

    let again = gateway.request("/").header("if-none-match", page.header("etag"));
    let again = gateway.ask(again.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
}

#[tokio::test]
async fn the_client_module_is_for_all_whom_the_operator_names() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &["--allowed-origins", "https://tickets.example"]).await;
    let module = "/client/ticketengine.js";
    for (origin, expected) in
        [("https://tickets.example", "https://tickets.example"), ("https://evil.example", "")]
    {
        let request = gateway.request(module).header("origin", origin);
        let answer = gateway.ask(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), expected, "{origin}");
        assert!(
            answer.header("content-type").starts_with("text/javascript"),
            "{}",
            answer.header("content-type")
        );
    }
    assert_eq!(gateway.get("/assets/client/ticketengine.js").await.status, 200);
    let protocol = gateway.get("/asyncapi.yaml").await;
    assert!(protocol.text().starts_with("asyncapi: 3"), "{}", protocol.text());
}

#[tokio::test]
async fn what_is_not_there_is_said_as_json() {
    let stand_in = StandIn::start();
    let gateway = Gateway::of(&stand_in, &[]).await;
    let paths = [
        "/nothing",
        "/assets/nothing.js",
        "/assets/package.json",
        "/assets/..%2fCargo.toml",
        "/client/x.test.js",
    ];
    for path in paths {
        assert_eq!(gateway.get(path).await.refusal(), (404, "PATH_NOT_FOUND".into()), "{path}");
    }
    assert_eq!(gateway.get("/v1/events/%ff").await.refusal(), (404, "PATH_NOT_FOUND".into()));
    let post = http::Request::post("/v1/events").header("host", "x").body(axum::body::Body::empty()).unwrap();
    assert_eq!(gateway.ask(post).await.refusal(), (405, "METHOD_NOT_ALLOWED".into()));
}
