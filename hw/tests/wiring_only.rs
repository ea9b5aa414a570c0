//! rust-hdl's kernels do not keep widths, so a `#[hdl_gen]` body may wire and nothing else. This test
//! reads every such body of the crate and refuses anything but
//!
//! - `path.next = path.val();`
//! - `clock!(self, clock, block, ..);`
//! - `Bundle::<T>::link(&mut path, &mut path);` and `join`
//! - `for i in 0..N { .. }` over such statements, where `N` is a literal or a constant parameter
//!
//! where a path starts at `self` and has at most one index: a loop variable or a literal.

use quote::ToTokens;
use std::path::{Path, PathBuf};
use syn::visit::Visit;
use syn::{Block, Expr, ExprForLoop, ImplItemFn, Lit, Pat, RangeLimits, Stmt};

/// Field names that rust-hdl turns into invalid Verilog.
const RESERVED_FIELDS: [&str; 4] = ["bit", "logic", "next", "reg"];

/// What is wrong with a body, with the offending code.
type Refusal = String;

fn refuse(what: &str, code: &impl ToTokens) -> Refusal {
    format!("{what}: `{}`", code.to_token_stream())
}

#[derive(Default)]
struct Wiring {
    loop_variable: Option<String>,
}

impl Wiring {
    fn block(&mut self, block: &Block) -> Result<(), Refusal> {
        block.stmts.iter().try_for_each(|stmt| self.statement(stmt))
    }

    fn statement(&mut self, stmt: &Stmt) -> Result<(), Refusal> {
        match stmt {
            Stmt::Macro(mac) if mac.mac.path.is_ident("clock") => clock_arguments(&mac.mac),
            Stmt::Expr(Expr::Macro(mac), _) if mac.mac.path.is_ident("clock") => {
                clock_arguments(&mac.mac)
            }
            Stmt::Expr(Expr::Assign(assign), Some(_)) => {
                let target = match &*assign.left {
                    Expr::Field(field) if member(&field.member) == "next" => &field.base,
                    other => return Err(refuse("only `.next` is assigned", other)),
                };
                self.path(target)?;
                match &*assign.right {
                    Expr::MethodCall(call)
                        if call.method == "val"
                            && call.args.is_empty()
                            && call.turbofish.is_none() =>
                    {
                        self.path(&call.receiver)
                    }
                    other => Err(refuse("only `.val()` of a signal is assigned", other)),
                }
            }
            Stmt::Expr(Expr::Call(call), Some(_)) => {
                let name = match &*call.func {
                    Expr::Path(path) if path.path.segments.len() > 1 => {
                        path.path.segments.last().map(|last| last.ident.to_string())
                    }
                    _ => None,
                };
                if !matches!(name.as_deref(), Some("link" | "join")) || call.args.len() != 2 {
                    return Err(refuse("only `link` and `join` are called", call));
                }
                call.args.iter().try_for_each(|argument| match argument {
                    Expr::Reference(reference) if reference.mutability.is_some() => {
                        self.path(&reference.expr)
                    }
                    other => Err(refuse("bundles are given as `&mut`", other)),
                })
            }
            Stmt::Expr(Expr::ForLoop(each), _) => self.for_loop(each),
            other => Err(refuse("not wiring", other)),
        }
    }

    fn for_loop(&mut self, each: &ExprForLoop) -> Result<(), Refusal> {
        if self.loop_variable.is_some() {
            return Err(refuse("loops do not nest", each));
        }
        let Pat::Ident(variable) = &*each.pat else {
            return Err(refuse("a loop has one variable", &each.pat));
        };
        let Expr::Range(range) = &*each.expr else {
            return Err(refuse("loops run over 0..N", &each.expr));
        };
        let from_zero = matches!(range.start.as_deref(), Some(Expr::Lit(lit)) if is_zero(&lit.lit));
        let to_known = match range.end.as_deref() {
            Some(Expr::Lit(lit)) => matches!(lit.lit, Lit::Int(_)),
            Some(Expr::Path(path)) => path.path.get_ident().is_some(),
            _ => false,
        };
        if !from_zero || !to_known || !matches!(range.limits, RangeLimits::HalfOpen(_)) {
            return Err(refuse("loops run over 0..N", range));
        }
        self.loop_variable = Some(variable.ident.to_string());
        let body = self.block(&each.body);
        self.loop_variable = None;
        body
    }

    /// `self.a.b[i].c`, one index at most.
    fn path(&self, expr: &Expr) -> Result<(), Refusal> {
        let mut indices = 0;
        let mut rest = expr;
        loop {
            match rest {
                Expr::Field(field) => {
                    let name = member(&field.member);
                    if RESERVED_FIELDS.contains(&name.as_str()) {
                        return Err(refuse("a field name that Verilog reserves", expr));
                    }
                    rest = &field.base;
                }
                Expr::Index(index) => {
                    indices += 1;
                    let plain = match &*index.index {
                        Expr::Lit(lit) => matches!(lit.lit, Lit::Int(_)),
                        Expr::Path(path) => {
                            let name = path.path.get_ident().map(ToString::to_string);
                            name.is_some() && name == self.loop_variable
                        }
                        _ => false,
                    };
                    if !plain || indices > 1 {
                        return Err(refuse("one index, the loop variable or a literal", expr));
                    }
                    rest = &index.expr;
                }
                Expr::Path(path) if path.path.is_ident("self") => return Ok(()),
                _ => return Err(refuse("signals are paths from `self`", expr)),
            }
        }
    }
}

fn member(member: &syn::Member) -> String {
    match member {
        syn::Member::Named(name) => name.to_string(),
        syn::Member::Unnamed(index) => index.index.to_string(),
    }
}

fn is_zero(lit: &Lit) -> bool {
    matches!(lit, Lit::Int(int) if int.base10_digits() == "0")
}

/// `self` and names, nothing else.
fn clock_arguments(mac: &syn::Macro) -> Result<(), Refusal> {
    let names = syn::punctuated::Punctuated::<syn::Ident, syn::Token![,]>::parse_separated_nonempty;
    let rest = |input: syn::parse::ParseStream<'_>| {
        input.parse::<syn::Token![self]>()?;
        input.parse::<syn::Token![,]>()?;
        names(input)
    };
    match mac.parse_body_with(rest) {
        Ok(names) if names.len() >= 2 => Ok(()),
        _ => Err(refuse("clock! takes self, the clock and blocks", mac)),
    }
}

/// Finds the `#[hdl_gen]` functions of a file and judges them.
#[derive(Default)]
struct Finder {
    bodies: usize,
    refusals: Vec<Refusal>,
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        let is_kernel = |attr: &syn::Attribute| {
            let last = attr.path().segments.last();
            last.is_some_and(|last| last.ident == "hdl_gen")
        };
        if item.attrs.iter().any(is_kernel) {
            self.bodies += 1;
            if let Err(refusal) = Wiring::default().block(&item.block) {
                self.refusals.push(refusal);
            }
        }
        syn::visit::visit_impl_item_fn(self, item);
    }
}

fn judge(text: &str) -> Finder {
    let mut finder = Finder::default();
    finder.visit_file(&syn::parse_file(text).expect("the file is valid Rust"));
    // A kernel that a macro writes would hide from the walk.
    let attributes = text.lines().filter(|line| {
        let line = line.trim_start();
        !line.starts_with("//") && line.contains("hdl_gen]")
    });
    assert_eq!(attributes.count(), finder.bodies, "kernels found");
    finder
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn every_kernel_of_the_crate_only_wires() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    files.sort();
    assert!(files.len() > 20, "the walk found {} files", files.len());
    let mut refusals = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("the file can be read");
        let found = judge(&text).refusals;
        refusals.extend(
            found
                .iter()
                .map(|refusal| format!("{}: {refusal}", file.display())),
        );
    }
    assert!(refusals.is_empty(), "{}", refusals.join("\n"));
}

fn kernel(body: &str) -> Finder {
    judge(&format!(
        "impl Logic for Block {{\n    #[hdl_gen]\n    fn update(&mut self) {{ {body} }}\n}}"
    ))
}

#[test]
fn wiring_passes() {
    let body = "
        clock!(self, clock, first, second);
        self.first.reset.next = self.reset.val();
        StreamIn::<T>::link(&mut self.rx, &mut self.first.rx);
        StreamOut::<Bits<8>>::join(&mut self.first.tx, &mut self.second.rx);
        self.second.rx.payload.next = self.first.tx.payload.val();
        for i in 0..N {
            self.workers[i].reset.next = self.reset.val();
            StreamOut::<T>::join(&mut self.workers[i].tx, &mut self.arbiter.rx[i]);
        }
        for i in 0..4 { self.workers[i].clock.next = self.clock.val(); }
        self.workers[0].enable.next = self.enable.val();
    ";
    let found = kernel(body);
    assert_eq!((found.bodies, found.refusals), (1, vec![]));
}

/// What is known to simulate differently from its Verilog, or to be invalid there.
const BAD: [&str; 30] = [
    // Precedence.
    "self.y.next = self.a.val() & self.b.val() == self.c.val();",
    "self.y.next = self.a.val().any() & self.b.val().any() == self.c.val().any();",
    // Evaluated at 32 bits.
    "self.y.next = self.a.val() + 1 == self.b.val();",
    "self.y.next = self.a.val() - 1 > self.b.val();",
    "self.y.next = (self.a.val() + 1) >> 1 == self.b.val();",
    "self.y.next = bits::<8>(0) - self.a.val() == self.b.val();",
    // High bits leak.
    "self.y.next = !self.a.val() == 3;",
    "self.y.next = bit_cast::<16, 8>(self.a.val() + self.b.val());",
    "self.y.next = bit_cast::<16, 8>(self.a.val() - self.b.val());",
    "self.y.next = bit_cast::<16, 8>(!self.a.val());",
    // Not truncated.
    "self.y.next = bit_cast::<4, 8>(self.a.val()) + self.b.val();",
    "self.y.next = bit_cast::<4, 8>(self.a.val()) > self.b.val();",
    // Last iteration dropped.
    "for i in 0..=3 { self.v[i].a.next = self.b.val(); }",
    // Bits past the top.
    "self.y.next = self.a.val().get_bits::<4>(6);",
    "self.y.next = (self.a.val() + self.b.val()).get_bits::<4>(0);",
    // Indices.
    "for k in 0..4 { self.v[k].a[j].next = self.b.val(); }",
    "for k in 0..4 { self.v[k].a[k].next = self.b.val(); }",
    "self.v[N - 1].a.next = self.b.val();",
    "self.v[i].a.next = self.b.val();",
    // Constants and parameters in expressions.
    "self.y.next = WIDTH.into();",
    "const WIDTH: usize = 3;",
    // Field names.
    "self.bit.next = self.a.val();",
    "self.y.next = self.logic.val();",
    "self.y.next = self.next.val();",
    // Behaviour.
    "if self.a.val() { self.y.next = self.b.val(); }",
    "match self.a.val() { _ => {} }",
    "let a = self.a.val(); self.y.next = a;",
    "self.y.next = true;",
    "self.a = self.b.val();",
    "for i in 1..4 { self.v[i].a.next = self.b.val(); }",
];

#[test]
fn everything_else_is_refused() {
    for body in BAD {
        assert_eq!(kernel(body).refusals.len(), 1, "not refused: {body}");
    }
    for body in [
        "for i in 0..2 { for j in 0..2 { self.v[i].a.next = self.b.val(); } }",
        "for i in 0..N + 1 { self.v[i].a.next = self.b.val(); }",
        "clock!(self, clock, first + second);",
        "clock!(self);",
        "dff_setup!(self, clock, first);",
        "StreamIn::<T>::connect(&mut self.a, &mut self.b);",
        "self.first.link(&mut self.second);",
        "other.y.next = self.a.val();",
    ] {
        assert_eq!(kernel(body).refusals.len(), 1, "not refused: {body}");
    }
}

#[test]
#[should_panic(expected = "kernels found")]
fn a_kernel_inside_a_macro_is_found() {
    judge("make! {\n    #[hdl_gen]\n    fn update(&mut self) {}\n}");
}
