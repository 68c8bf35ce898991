//! The macros of Flamingock. Use them as `flamingock::change`, `flamingock::rollback`,
//! `flamingock::verify`, `flamingock::template` and `flamingock::include_files`; the code that they
//! generate needs that crate.

pub(crate) mod argument;
mod attr;
mod build_script;
mod digest;
mod entry;
mod expand;
mod files;
mod folder;
mod function;
mod keys;
mod names;
mod near_miss;
mod problems;
mod retired;
mod rules;
mod spans;
mod template;
mod valid;

use proc_macro::TokenStream;

/// Makes an async function a change: it runs once in each environment, in order, under a lock.
///
/// The function stays unchanged and can be called as before. Its doc comment becomes the
/// description in the audit: the lines without the blank after the slashes, joined by line breaks.
///
/// # Keys
///
/// | key | value | default |
/// |---|---|---|
/// | `id` | text of 1 to 190 visible characters, no blank at either end; unique in the service | required |
/// | `order` | ASCII letters, digits, `_`, `.` and `-`, at least three of them letters or digits; unique in the stage | required |
/// | `author` | text of visible characters, no blank at either end | the package's name; the crate's, if the build system sets no `CARGO_PKG_NAME` |
/// | `stage` | the name of a stage, by the rule for `id`, without `"` and not beginning with `#` | `"default"` |
/// | `target` | the name of a target system, as that of a stage | `"default"` |
/// | `transaction` | `true` or `false` | a transaction if and only if there is a connection argument |
/// | `recovery` | `"manual"`: an operator resolves an interrupted or failed attempt. `"retry"`: the change can safely run again | `"manual"` |
/// | `repeat` | `"on-change"`: applied again, after the ordered changes of its stage, whenever its digest differs from the one that was applied last | it is applied once |
/// | `tags` | `["dev", ..]`, names by which the runner selects changes | none |
/// | `timeout` | how long the function may take | no limit |
/// | `lock_timeout` | how long a statement of the change may wait for a lock of the database; a change in a transaction that waits longer is retried, three times at most | 5 seconds in a transaction of PostgreSQL, unless the runner sets another limit (`Runner::lock_timeout`); otherwise the database's own limit |
/// | `statement_timeout` | how long a statement of the change may take | the database's own limit |
/// | `batch` | a word without a value: the function does one batch, takes a `Batch<C>` and returns a `Result<Next<C>, E>`. Excludes `repeat` | the function does everything |
/// | `phase` | `"startup"`: `Runner::run` applies the change. `"background"`: only `Runner::spawn` and the command `apply --background` do, after the others | `"startup"` |
/// | `requires` | the id of a change in the background that must be applied before this one. Excludes `phase = "background"` | nothing is required |
/// | `register` | `true` or `false`: with `false` the change is in no registry and only runs if a list contains it, `flamingock::changes![create_users]` | it is registered |
///
/// Text is a string literal, not empty, on one line and without blanks at its ends. Times are text
/// with units, such as `"250ms"`, `"30s"` or `"1h 30m"` (the syntax of the `humantime` crate), and
/// not zero.
///
/// # Arguments
///
/// | argument | value |
/// |---|---|
/// | `&mut SqliteConnection`, `&mut PgConnection`, `&mut MySqlConnection` | the connection of the target system, in Flamingock's transaction, or outside a transaction with `transaction = false` |
/// | `&mut Transaction<'_, DB>` | Flamingock's transaction itself, for savepoints |
/// | `&T` | the value of type `T` that is provided with `provide`, to the target system or otherwise to the runner |
/// | `Option<&T>` | the same, `None` if it is not provided |
/// | `&dyn Trait`, `&str` | the same, provided with `provide_arc` |
/// | `&Context` | the attempt: ids, number, cancellation |
/// | `Batch<C>` | with the key `batch`, and by value: the batch to do. serde writes and reads `C` |
///
/// Arguments can be in any order and number, but with one connection at most. The type counts, not
/// its spelling: an alias or a renamed import works as well. Values must be
/// `Send + Sync + 'static`.
///
/// # Return type
///
/// `()`, or `Result<(), E>` with any `E` that converts into a boxed
/// `dyn Error + Send + Sync + 'static`; with the key `batch`, `Result<Next<C>, E>`. The future must
/// be `Send`.
///
/// # What is refused
///
/// Functions that are not async; `self`; type, const and lifetime parameters and `where` clauses;
/// `impl Trait` in an argument or the return type; arguments borrowed for `'static`; `unsafe` and
/// `extern` functions; `#[cfg]` on a parameter (write one function for each case); two connections;
/// `transaction = true`, `lock_timeout` or `statement_timeout` without a connection;
/// `transaction = false` with a `Transaction`. All of it at compile time.
///
/// # Names
///
/// The macro adds a hidden type with the function's name and visibility, by which
/// [`rollback`](macro@rollback), [`verify`](macro@verify) and `changes!` find the change. So the
/// name cannot also be that of a type or module in the same scope: `mod create_users;` next to
/// `use create_users::create_users;` does not compile.
///
/// # Digest
///
/// The parameters, the return type and the body are hashed, so that plan and report show an edit of
/// an applied change. Comments, line breaks, trailing commas, the spelling of literals (`1_000` is
/// `1000`) and the function's name, doc and visibility do not count; nor does code that the
/// function calls. An attribute *above* this one that rewrites the function does it before the hash
/// is taken: put such attributes, like `#[tracing::instrument]`, below.
#[proc_macro_attribute]
pub fn change(attribute: TokenStream, item: TokenStream) -> TokenStream {
    with_generated(item, |item| expand::change(attribute.into(), item))
}

/// Makes an async function the rollback of a change, which it names by its path.
///
/// The path leads to the change's function, from the current module: `create_users`,
/// `super::create_users`, `crate::users::create_users`. An invalid path, a function that is not a
/// change and a second rollback of the same change do not compile. The rollback must be in the
/// crate of its change, and if the change is inside a function, in that function.
///
/// Arguments, return type and refused forms are as for [`change`](macro@change), whatever the
/// change's own arguments are. So are the keys, after the path:
///
/// | key | value | default |
/// |---|---|---|
/// | `transaction` | `true` or `false` | a transaction if and only if there is a connection argument |
/// | `batch` | a word without a value: the function does one batch, as a change with this key does. Only for such a change | the function reverses everything |
#[proc_macro_attribute]
pub fn rollback(attribute: TokenStream, item: TokenStream) -> TokenStream {
    with_generated(item, |item| expand::rollback(attribute.into(), item))
}

/// Makes an async function the verify function of a change, which it names by its path: does the
/// change's effect exist?
///
/// It resolves an interrupted attempt of the change automatically, without an operator. It returns
/// `bool` or `Result<bool, E>`: true if the change's effect exists. Path, arguments and refused
/// forms are as for [`rollback`](macro@rollback); it has no keys. The verify function of a template
/// names the template as `#[verify(template = nats_stream)]`: see [`template`](macro@template).
#[proc_macro_attribute]
pub fn verify(attribute: TokenStream, item: TokenStream) -> TokenStream {
    with_generated(item, |item| expand::verify(attribute.into(), item))
}

/// Makes an async function a template, which YAML and TOML files name and provide with a payload.
///
/// Its first argument is the payload, by value: any type that serde reads from a file,
/// `T: DeserializeOwned + Send`. Payloads are read when the application starts, before anything
/// runs, and again for each call. The other arguments, the return type and refused forms are as for
/// [`change`](macro@change): with a connection among them, a file that names the template runs in a
/// transaction.
///
/// # Keys
///
/// | key | value | default |
/// |---|---|---|
/// | the name, as the first argument | text of letters, digits, `-`, `_` and `.`; unique in the binary | required |
/// | `register` | `true` or `false`: with `false` the template is in no registry and only known if a list contains it, `flamingock::templates![nats_stream]` | it is registered |
///
/// # Its verify function
///
/// `#[verify(template = nats_stream)]` on another function checks whether the effect of a payload
/// exists: the payload of `verify` in the file comes first, with its own type, and the function
/// returns `bool` or `Result<bool, E>`.
#[proc_macro_attribute]
pub fn template(attribute: TokenStream, item: TokenStream) -> TokenStream {
    with_generated(item, |item| template::template(attribute.into(), item))
}

/// Turns the files of a folder into changes.
///
/// The folder is relative to the package, with `/`: `include_files!("changes")`. Its files are
/// found and embedded when the crate is compiled, including subfolders: `.sql`, `.yaml`, `.yml`,
/// `.toml` and `.conf`. Hidden files, and files of other kinds, are ignored. The contents of the
/// files are read when the application starts.
///
/// # Keys
///
/// The keys come after the folder and apply to every file that does not set its own value.
///
/// | key | value | default |
/// |---|---|---|
/// | `author`, `stage`, `target`, `recovery`, `repeat`, `tags`, `timeout`, `lock_timeout`, `statement_timeout` | as in [`change`](macro@change) | as in [`change`](macro@change) |
/// | `transaction` | `true` or `false` | `true` |
/// | `format` | `"flamingock"`, `"sqlx"`, `"refinery"`, `"diesel"`, `"goose"`, `"flyway"`, `"dbmate"`, `"golang-migrate"` or `"atlas"`: how the names are read | recognised by the names, the annotations and, between sqlx and golang-migrate, the history in the database |
/// | `static` | a word without a value: the package needs no build script | it needs one, see below |
/// | `register` | `true` or `false`: with `false` the macro is an expression, for `Runner::files`, and the changes are in no registry | it is an item, and they are registered |
///
/// # The build script
///
/// Cargo recompiles when an embedded file is edited or removed, and not when a file is added. So
/// the package needs a build script, `build.rs`, that names the folder:
///
/// ```no_run
/// // In `build.rs`, in its `main`:
/// println!("cargo::rerun-if-changed=changes");
/// ```
///
/// Without one, the macro does not compile and shows that line. A debug build also compares the
/// embedded files with the folder at each start, if the folder exists.
#[proc_macro]
pub fn include_files(input: TokenStream) -> TokenStream {
    files::include_files(input.into()).into()
}

/// Keeps the place of a change whose code was deleted.
///
/// Where the change is applied, nothing happens. Where it is not, the run fails before anything
/// runs, and names the version to upgrade through.
///
/// The id comes first: `retired!("create-users", order = "0001", since = "1.8")`.
///
/// # Keys
///
/// | key | value | default |
/// |---|---|---|
/// | `order`, `stage`, `tags` | those of the deleted change | required; `"default"`; none |
/// | `since` | the last version that had the change, as text | required |
/// | `register` | `true` or `false`: with `false` the macro is an expression, an element for `Runner::changes` | it is an item, and registered |
#[proc_macro]
pub fn retired(input: TokenStream) -> TokenStream {
    retired::retired(input.into()).into()
}

/// The item exactly as written, and the generated code.
fn with_generated(
    item: TokenStream,
    expand: impl FnOnce(&proc_macro2::TokenStream) -> proc_macro2::TokenStream,
) -> TokenStream {
    let addition = expand(&item.clone().into());
    let mut output = item;
    output.extend(TokenStream::from(addition));
    output
}
