//! The Sluicegate policy file, and what turns an HTTP request into charges and a decision into an answer.
