//! `GET` reports: sessions, visitors, and what they add up to.
