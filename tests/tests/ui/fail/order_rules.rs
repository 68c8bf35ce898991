use flamingock::change;

#[change(id = "short", order = "01")]
async fn short() {}

#[change(id = "blank", order = "00 01")]
async fn blank() {}

#[change(id = "letters", order = "000ä")]
async fn letters() {}

fn main() {}
