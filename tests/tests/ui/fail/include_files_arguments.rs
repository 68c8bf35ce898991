flamingock::include_files!();
flamingock::include_files!(changes);
flamingock::include_files!("/changes");
flamingock::include_files!("no_such_folder");
flamingock::include_files!("no_such_folder", stag = "schema", format = "liquibase", static = true);

fn main() {}
