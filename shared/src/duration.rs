//! Durations as people write them. The only place that does.

/// `35 s`, `47 min`, `1 h 02 min`, `1 h 02 min 05 s`: exact, so that a total is the sum of what
/// stands above it.
#[must_use]
pub fn human(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, seconds) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, 0, 0) => format!("{hours} h"),
        (hours, minutes, 0) => format!("{hours} h {minutes:02} min"),
        (hours, minutes, seconds) => format!("{hours} h {minutes:02} min {seconds:02} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn durations_read_as_people_write_them() {
        for (seconds, text) in [
            (0, "0 s"),
            (35, "35 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 01 s"),
            (2_820, "47 min"),
            (3_599, "59 min 59 s"),
            (3_600, "1 h"),
            (3_605, "1 h 00 min 05 s"),
            (3_720, "1 h 02 min"),
            (3_725, "1 h 02 min 05 s"),
            (86_400, "24 h"),
            (360_000, "100 h"),
        ] {
            assert_eq!(human(seconds), text);
        }
    }
}
