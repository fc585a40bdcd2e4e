//! The names that many calls of a client have in common, stored once.

use std::sync::Arc;

use parking_lot::Mutex;

/// Number of labels that are remembered for further calls. A client has few nodes and contexts at a time.
const REMEMBERED: usize = 16;

/// The names of the node, the project and the context of a call, in one allocation.
pub(crate) struct Label {
    text: Box<str>,
    ends: [usize; 2],
}

impl Label {
    fn of([node, project, context]: [&str; 3]) -> Self {
        Self { text: [node, project, context].concat().into(), ends: [node.len(), node.len() + project.len()] }
    }

    pub(crate) fn names(&self) -> [&str; 3] {
        let [node, project] = self.ends;
        [&self.text[..node], &self.text[node..project], &self.text[project..]]
    }
}

/// The labels of a client, the one used last at the end.
#[derive(Default)]
pub(crate) struct Labels(Mutex<Vec<Arc<Label>>>);

impl Labels {
    /// Returns the label of these names, the remembered one if possible.
    pub(crate) fn get(&self, names: [&str; 3]) -> Arc<Label> {
        let mut labels = self.0.lock();
        let known = labels.iter().rposition(|label| label.names() == names);
        let label = match known {
            Some(at) => labels.remove(at),
            None => {
                if labels.len() >= REMEMBERED {
                    labels.remove(0);
                }
                Arc::new(Label::of(names))
            }
        };
        labels.push(Arc::clone(&label));
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_names_are_kept_once_while_they_are_in_use() {
        let labels = Labels::default();
        let first = labels.get(["node", "project", ""]);
        assert_eq!(first.names(), ["node", "project", ""]);
        assert!(Arc::ptr_eq(&first, &labels.get(["node", "project", ""])));
        assert!(!Arc::ptr_eq(&first, &labels.get(["node", "", "project"])), "the places count");
        for number in 0..REMEMBERED {
            labels.get([&number.to_string(), "", ""]);
            assert!(number + 2 > REMEMBERED || Arc::ptr_eq(&first, &labels.get(["node", "project", ""])));
        }
        (0..REMEMBERED).for_each(|number| drop(labels.get(["", &number.to_string(), ""])));
        assert!(!Arc::ptr_eq(&first, &labels.get(["node", "project", ""])), "it was not used for a while");
        assert_eq!(labels.0.lock().len(), REMEMBERED);
    }
}
