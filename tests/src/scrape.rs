//! All metrics of a program at one moment, in the text format of Prometheus.

/// An answer of `/metrics`.
#[derive(Debug, Clone)]
pub struct Scrape(pub String);

impl Scrape {
    /// A metric, summed over its labels; `None` where there is none of that name.
    #[must_use]
    pub fn sum(&self, name: &str) -> Option<f64> {
        let values = self
            .0
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).reduce(|a, b| a + b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_no_other_begins_alike() {
        let scrape = Scrape("a{s=\"x\"} 1\na{s=\"y\"} 2.5\na_total 7\n# HELP b nothing\n".to_owned());
        assert_eq!((scrape.sum("a"), scrape.sum("a_total"), scrape.sum("b")), (Some(3.5), Some(7.0), None));
    }
}
