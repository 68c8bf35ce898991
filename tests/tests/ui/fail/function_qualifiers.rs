use flamingock::change;

#[change(id = "not-safe", order = "0001")]
async unsafe fn not_safe() {}

#[change(id = "foreign", order = "0002")]
async extern "C" fn foreign() {}

fn main() {}
