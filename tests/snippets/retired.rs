//! `rename-and-delete.md`: the place of a deleted change.

flamingock::retired!("create-users", order = "0001", since = "1.8");
