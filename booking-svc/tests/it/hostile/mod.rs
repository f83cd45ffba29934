//! Hostile input, over real sockets: whoever sends it is refused or bounded, and others notice nothing.

mod bombs;
mod bystander;
mod client;
mod connections;
mod fields;
mod floods;
mod frames;
mod ids;
mod limit;
mod slow;
mod strangers;
mod tls;
mod tokens;
mod unread;
