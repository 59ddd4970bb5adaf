//! Several JSON pointers, looked up together.

use crate::JsonPointer;

/// Several JSON pointers, each with a value, looked up together while a document is read.
#[derive(Clone, Debug)]
pub(crate) struct PointerTree<T> {
    nodes: Vec<Node<T>>,
}

/// A node of a tree: the root, or a place on the way of a pointer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NodeId(u32);

#[derive(Clone, Debug)]
struct Node<T> {
    pointer: String,
    value: Option<T>,
    members: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    name: Box<str>,
    /// The index in an array, if the name is one.
    index: Option<u64>,
    node: NodeId,
}

impl NodeId {
    /// The whole document.
    pub(crate) const ROOT: Self = Self(0);
}

impl<T> PointerTree<T> {
    /// Makes a tree of pointers, none of which leads into the value of another. Of two that are the same, the later one
    /// counts.
    pub(crate) fn new<'p>(pointers: impl IntoIterator<Item = (&'p JsonPointer, T)>) -> Self {
        let mut tree = Self { nodes: vec![Node::at(String::new())] };
        for (pointer, value) in pointers {
            let node = pointer.segments().iter().fold(0, |node, segment| tree.grown(node, segment));
            tree.nodes[node].value = Some(value);
        }
        tree
    }

    /// The index of the node of a member, which is new if need be.
    fn grown(&mut self, node: usize, segment: &str) -> usize {
        if let Some(member) = self.nodes[node].members.iter().find(|member| *member.name == *segment) {
            return member.node.0 as usize;
        }
        let grown = self.nodes.len();
        // A policy would have to be of gigabytes to have more nodes, and these would not be found.
        let id = NodeId(u32::try_from(grown).unwrap_or(u32::MAX));
        let escaped = segment.replace('~', "~0").replace('/', "~1");
        let pointer = [&self.nodes[node].pointer, "/", &escaped].concat();
        self.nodes[node].members.push(Member { name: segment.into(), index: index(segment), node: id });
        self.nodes.push(Node::at(pointer));
        grown
    }

    /// The node of a member of the object here.
    pub(crate) fn member(&self, node: NodeId, name: &[u8]) -> Option<NodeId> {
        self.find(node, |member| member.name.as_bytes() == name)
    }

    /// The node of an element of the array here.
    pub(crate) fn element(&self, node: NodeId, index: u64) -> Option<NodeId> {
        self.find(node, |member| member.index == Some(index))
    }

    /// The value of a pointer that ends here.
    pub(crate) fn value(&self, node: NodeId) -> Option<&T> {
        self.node(node)?.value.as_ref()
    }

    /// The pointer to a node.
    pub(crate) fn pointer(&self, node: NodeId) -> &str {
        self.node(node).map_or("", |node| &node.pointer)
    }

    fn find(&self, node: NodeId, is_it: impl Fn(&Member) -> bool) -> Option<NodeId> {
        self.node(node)?.members.iter().find(|member| is_it(member)).map(|member| member.node)
    }

    fn node(&self, node: NodeId) -> Option<&Node<T>> {
        self.nodes.get(node.0 as usize)
    }
}

impl<T> Node<T> {
    fn at(pointer: String) -> Self {
        Self { pointer, value: None, members: Vec::new() }
    }
}

/// The index that a segment names: digits without zeros before them.
fn index(segment: &str) -> Option<u64> {
    let index = segment.parse().ok()?;
    let is_plain = segment == "0" || segment.starts_with(|first: char| ('1'..='9').contains(&first));
    is_plain.then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_share_their_ways() {
        let pointers: Vec<JsonPointer> =
            ["/a/b", "/a/0", "/a/01", "/c~1d"].iter().map(|text| text.parse().unwrap()).collect();
        let tree = PointerTree::new(pointers.iter().zip(0..));
        let a = tree.member(NodeId::ROOT, b"a").unwrap();
        assert_eq!((tree.value(a), tree.pointer(a)), (None, "/a"));
        let value = |node: Option<NodeId>| node.and_then(|node| tree.value(node)).copied();
        assert_eq!(value(tree.member(a, b"b")), Some(0));
        assert_eq!((value(tree.member(a, b"0")), value(tree.element(a, 0))), (Some(1), Some(1)));
        assert_eq!((value(tree.member(a, b"01")), value(tree.element(a, 1))), (Some(2), None));
        let named = tree.member(NodeId::ROOT, b"c/d").unwrap();
        assert_eq!((value(Some(named)), tree.pointer(named)), (Some(3), "/c~1d"));
        assert_eq!(tree.member(NodeId::ROOT, b"b"), None);
    }
}
