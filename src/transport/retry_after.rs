//! The `Retry-After` header of an HTTP response.

use std::time::Duration;

/// Number of days before 1970, as counted by [`seconds_of`].
const BEFORE_1970: u64 = 719_469;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Returns the delay that the server requests: a number of seconds, or a date. A date is compared with the server's own
/// (its `Date` header), because the clock of this machine may be wrong.
pub(super) fn wait(retry_after: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = retry_after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let (then, now) = (seconds_of(retry_after)?, seconds_of(date?)?);
    Some(Duration::from_secs(then.saturating_sub(now)))
}

/// Returns the seconds since the year 0 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`. The other two forms of RFC
/// 9110 are obsolete.
fn seconds_of(date: &str) -> Option<u64> {
    let (_weekday, rest) = date.split_once(", ")?;
    let mut parts = rest.split(' ');
    let day: u64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let year: u64 = parts.next()?.parse().ok().filter(|year| (1900..10_000).contains(year))?;
    let mut time = parts.next()?.split(':').map(|part| part.parse::<u64>().ok().filter(|part| *part <= 60));
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    // Counted from March, a year has its leap day at the end.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 306 + 5) / 10 + day;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Returns an HTTP date as seconds since 1970.
pub(super) fn unix(date: &str) -> Option<i64> {
    Some(seconds_of(date)? as i64 - (BEFORE_1970 * 24 * 60 * 60) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_number_of_seconds_since_1970() {
        for (date, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 09 Sep 2001 01:46:40 GMT", Some(1_000_000_000)),
            ("Tue, 19 Jan 2038 03:14:07 GMT", Some(2_147_483_647)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", Some(-1)),
            ("today", None),
        ] {
            assert_eq!(unix(date), seconds, "{date}");
        }
    }

    #[test]
    fn seconds_and_dates_are_understood_and_nothing_else() {
        let date = Some("Sat, 28 Feb 2026 23:59:50 GMT");
        for (header, date, seconds) in [
            ("120", None, Some(120)),
            ("0", date, Some(0)),
            ("Sun, 01 Mar 2026 00:00:00 GMT", date, Some(10)),
            ("Sat, 28 Feb 2026 23:00:00 GMT", date, Some(0)),
            ("Sat, 01 Mar 2025 00:00:00 GMT", Some("Fri, 01 Mar 2024 00:00:00 GMT"), Some(365 * 86_400)),
            ("Fri, 01 Mar 2024 00:00:00 GMT", Some("Wed, 28 Feb 2024 00:00:00 GMT"), Some(2 * 86_400)),
            ("Thu, 01 Jan 2026 00:00:05 GMT", Some("Wed, 31 Dec 2025 23:59:55 GMT"), Some(10)),
            ("Sun, 01 Mar 2026 00:00:00 GMT", None, None),
            ("Sun, 01 Mar 2026 00:00:00 GMT", Some("today"), None),
            ("Sun, 01 Mrz 2026 00:00:00 GMT", date, None),
            ("Sun, 01 Mar 99999999999999999999 00:00:00 GMT", date, None),
            ("-1", date, None),
            ("1.5", date, None),
            ("soon", date, None),
            ("", date, None),
        ] {
            assert_eq!(wait(header, date), seconds.map(Duration::from_secs), "{header}");
        }
    }
}
