use super::*;

fn chosen(offers: &[&str]) -> Option<(Encoding, Option<&'static str>)> {
    let mut headers = HeaderMap::new();
    for offer in offers {
        headers.append(header::SEC_WEBSOCKET_PROTOCOL, offer.parse().unwrap());
    }
    subprotocol(&headers).ok()
}

#[test]
fn the_client_s_first_known_subprotocol_is_spoken() {
    let (json, bin) = ("ticketengine.v1.json", "ticketengine.v1.bin");
    assert_eq!(chosen(&[]), Some((Encoding::Json, None)));
    assert_eq!(chosen(&[bin]), Some((Encoding::Bin, Some(bin))));
    assert_eq!(chosen(&["ticketengine.v2.json, ticketengine.v1.json"]), Some((Encoding::Json, Some(json))));
    assert_eq!(chosen(&[json, bin]), Some((Encoding::Json, Some(json))));
    assert_eq!(chosen(&["graphql-ws"]), None);
    assert_eq!(chosen(&[""]), None);
}

#[test]
fn a_wish_is_a_position_and_sections() {
    let known = Some(Position { epoch: 7, version: 123 });
    let sections = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let table = [
        ("", Ok(Wish::default())),
        ("epoch=7&version=123", Ok(Wish { known, sections: Vec::new() })),
        (
            "section=Block+104&section=Box%20%C3%84&x=1",
            Ok(Wish { known: None, sections: sections(&["Block 104", "Box Ä"]) }),
        ),
        ("epoch=7", Err("epoch and version go together")),
        ("version=7", Err("epoch and version go together")),
        ("epoch=-1&version=0", Err("epoch must be a whole number")),
        ("epoch=1&version=", Err("version must be a whole number")),
    ];
    for (query, expected) in table {
        assert_eq!(Wish::parse(query), expected.map_err(Refusal::invalid), "{query}");
    }
    let many = "section=a&".repeat(SECTIONS_WATCHED_MAX + 1);
    assert!(Wish::parse(&many).is_err() && Wish::parse(&many[10..]).is_ok());
}

#[test]
fn only_a_proper_request_is_an_upgrade() {
    let good = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let accept = |changed: Option<(&str, &str)>, version| {
        let mut request = Request::builder().version(version);
        for (name, value) in good {
            let value = changed.filter(|(changed, _)| *changed == name).map_or(value, |(_, value)| value);
            request = request.header(name, value);
        }
        accept_key(&request.body(axum::body::Body::empty()).unwrap())
    };
    // The example of RFC 6455.
    assert_eq!(accept(None, Version::HTTP_11).as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert!(accept(None, Version::HTTP_10).is_err());
    for (name, _) in good {
        assert!(accept(Some((name, "8")), Version::HTTP_11).is_err(), "{name}");
    }
}
