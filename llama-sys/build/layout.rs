//! The bindings, said again for the C++ compiler: it refuses headers that say anything else.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    BinOp, Expr, Field, File, ForeignItem, GenericArgument, Item, Lit, PathArguments, ReturnType, Signature,
    Stmt, Type, TypeBareFn, UnOp, punctuated::Iter,
};

/// What stands before the checks.
const HEAD: &str = include_str!("layout.h");

/// What bindgen calls a type without a name, and what it cannot name at all.
const ANONYMOUS: (&str, &str) = ("__bindgen_ty_", "__bindgen_anon_");

/// One line of C++ for each constant, type, size, field and function of the bindings.
pub fn checks(bindings: &str) -> Result<String, String> {
    let file = syn::parse_file(bindings).map_err(|e| format!("the bindings are not valid Rust: {e}"))?;
    let names = Names::read(&file);
    let mut lines = Vec::new();
    for item in &file.items {
        match item {
            Item::Const(item) if item.ident == "_" => names.sizes(&item.expr, &mut lines)?,
            Item::Const(item) => lines.push(value(&item.ident.to_string(), &item.expr)?),
            Item::Type(item) => lines.push(names.alias(&item.ident.to_string(), &item.ty)?),
            Item::Struct(item) => names.fields(&item.ident.to_string(), item.fields.iter(), &mut lines)?,
            Item::Union(item) => {
                names.fields(&item.ident.to_string(), item.fields.named.iter(), &mut lines)?;
            }
            Item::ForeignMod(block) => {
                for item in &block.items {
                    let ForeignItem::Fn(function) = item else {
                        return Err("a variable of C has no check yet: add one to build/layout.rs".into());
                    };
                    lines.push(names.function(&function.sig)?);
                }
            }
            // What Rust adds to the types.
            Item::Impl(_) => {}
            _ => return Err("an item of unknown kind: add its check to build/layout.rs".into()),
        }
    }
    Ok(format!("{HEAD}\n{}\n", lines.join("\n")))
}

/// How C++ calls what the bindings name.
struct Names {
    enums: BTreeSet<String>,
    structs: BTreeSet<String>,
    /// A function hides an enumeration or a structure of the same name.
    functions: BTreeSet<String>,
    /// The structure and the field that have a type without a name.
    anonymous: BTreeMap<String, (String, String)>,
}

impl Names {
    fn read(file: &File) -> Self {
        let mut names = Self {
            enums: BTreeSet::new(),
            structs: BTreeSet::new(),
            functions: BTreeSet::new(),
            anonymous: BTreeMap::new(),
        };
        let types_of_constants: BTreeSet<String> = file
            .items
            .iter()
            .filter_map(|item| if let Item::Const(item) = item { last_name(&item.ty) } else { None })
            .collect();
        for item in &file.items {
            match item {
                Item::Type(item) if types_of_constants.contains(&item.ident.to_string()) => {
                    names.enums.insert(item.ident.to_string());
                }
                Item::Struct(item) => {
                    let of = item.ident.to_string();
                    for field in &item.fields {
                        let Some(ty) = last_name(&field.ty).filter(|ty| ty.contains(ANONYMOUS.0)) else {
                            continue;
                        };
                        let field = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
                        names.anonymous.insert(ty, (of.clone(), field));
                    }
                    names.structs.insert(of);
                }
                Item::ForeignMod(block) => {
                    names.functions.extend(block.items.iter().filter_map(|item| match item {
                        ForeignItem::Fn(function) => Some(function.sig.ident.to_string()),
                        _ => None,
                    }));
                }
                _ => {}
            }
        }
        names
    }

    /// The name of a type; `None` for a union that has none.
    fn named(&self, name: &str) -> Option<String> {
        if let Some((of, field)) = self.anonymous.get(name) {
            return (!field.starts_with(ANONYMOUS.1)).then(|| format!("decltype({of}::{field})"));
        }
        let kind = if !self.functions.contains(name) {
            ""
        } else if self.enums.contains(name) {
            "enum "
        } else if self.structs.contains(name) {
            "struct "
        } else {
            ""
        };
        Some(format!("{kind}{name}"))
    }

    fn alias(&self, name: &str, ty: &Type) -> Result<String, String> {
        let cpp = self.named(name).unwrap_or_default();
        Ok(if self.enums.contains(name) {
            format!("ENUM({cpp}, {});", self.cpp(ty)?)
        } else {
            format!("TYPE({cpp}, {});", self.cpp(ty)?)
        })
    }

    fn fields(&self, of: &str, fields: Iter<'_, Field>, lines: &mut Vec<String>) -> Result<(), String> {
        // The members of a union without a name belong to the structure around it.
        let of = match self.anonymous.get(of) {
            Some((outer, field)) if field.starts_with(ANONYMOUS.1) => outer.clone(),
            _ => self.named(of).unwrap_or_default(),
        };
        for field in fields {
            let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
            // Fields that bindgen made up: of types that the headers only declare, and of unions without a name.
            if name.starts_with('_') {
                continue;
            }
            lines.push(format!("FIELD({of}, {}, {});", c_name(&name), self.cpp(&field.ty)?));
        }
        Ok(())
    }

    /// The sizes, alignments and offsets that bindgen has Rust check.
    fn sizes(&self, block: &Expr, lines: &mut Vec<String>) -> Result<(), String> {
        let Expr::Block(block) = block else { return Err("a check of sizes is not a block".into()) };
        for statement in &block.block.stmts {
            let (what, size) =
                size(statement).ok_or("a check of sizes reads otherwise than bindgen 0.72 writes it")?;
            let line = if let Some(name) = what.strip_prefix("Size of ") {
                self.named(name).map(|name| format!("SIZE({name}, {size});"))
            } else if let Some(name) = what.strip_prefix("Alignment of ") {
                self.named(name).map(|name| format!("ALIGNMENT({name}, {size});"))
            } else if let Some((name, field)) =
                what.strip_prefix("Offset of field: ").and_then(|what| what.split_once("::"))
            {
                self.named(name).map(|name| format!("OFFSET({name}, {}, {size});", c_name(field)))
            } else {
                return Err(format!("a check of {what:?} is of unknown kind"));
            };
            lines.extend(line);
        }
        Ok(())
    }

    fn function(&self, signature: &Signature) -> Result<String, String> {
        let arguments = signature.inputs.iter().map(|input| match input {
            syn::FnArg::Typed(typed) => self.cpp(&typed.ty),
            syn::FnArg::Receiver(_) => Err("a function of C has no self".into()),
        });
        let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        let (returned, arguments) =
            self.signature(&signature.output, arguments, signature.variadic.is_some())?;
        Ok(format!("FUNCTION({}, {returned}({arguments}));", signature.ident))
    }

    fn signature(
        &self,
        output: &ReturnType,
        mut arguments: Vec<String>,
        variadic: bool,
    ) -> Result<(String, String), String> {
        if variadic {
            arguments.push("...".into());
        }
        let returned = match output {
            ReturnType::Default => "void".into(),
            ReturnType::Type(_, ty) => self.cpp(ty)?,
        };
        Ok((returned, arguments.join(", ")))
    }

    fn cpp(&self, ty: &Type) -> Result<String, String> {
        match ty {
            Type::Ptr(pointer) => {
                let to = self.cpp(&pointer.elem)?;
                if to.contains(['(', '[']) && !to.starts_with("decltype") {
                    return Err(format!("a pointer to {to} has no check yet: add it to build/layout.rs"));
                }
                Ok(if pointer.const_token.is_some() { format!("{to} const *") } else { format!("{to} *") })
            }
            Type::Array(array) => {
                let of = self.cpp(&array.elem)?;
                let n =
                    integer(&array.len).filter(|_| !of.contains('[')).ok_or("an array of unknown length")?;
                Ok(format!("{of}[{n}]"))
            }
            Type::Path(path) => {
                let Some(last) = path.path.segments.last() else {
                    return Err("a type without a name".into());
                };
                if let PathArguments::AngleBracketed(of) = &last.arguments {
                    return match of.args.first() {
                        Some(GenericArgument::Type(Type::BareFn(function))) => self.pointer_to(function),
                        _ => Err(format!("{} of unknown kind", last.ident)),
                    };
                }
                let name = last.ident.to_string();
                match primitive(&name) {
                    Some(name) => Ok(name.to_owned()),
                    // Others, such as `long`, differ between systems: bindings made on one would be wrong on another.
                    None if name.starts_with("c_") => Err(format!("{name} is not the same on every system")),
                    None => self.named(&name).ok_or_else(|| format!("the type {name} has no name in C++")),
                }
            }
            _ => Err("a type of unknown kind: add it to build/layout.rs".into()),
        }
    }

    fn pointer_to(&self, function: &TypeBareFn) -> Result<String, String> {
        let arguments = function.inputs.iter().map(|input| self.cpp(&input.ty)).collect::<Result<_, _>>()?;
        let (returned, arguments) =
            self.signature(&function.output, arguments, function.variadic.is_some())?;
        Ok(format!("{returned} (*)({arguments})"))
    }
}

fn primitive(name: &str) -> Option<&'static str> {
    Some(match name {
        "bool" => "bool",
        "i8" => "int8_t",
        "u8" => "uint8_t",
        "i16" => "int16_t",
        "u16" => "uint16_t",
        "i32" => "int32_t",
        "u32" => "uint32_t",
        "i64" => "int64_t",
        "u64" => "uint64_t",
        "isize" => "ptrdiff_t",
        "usize" => "size_t",
        "f32" => "float",
        "f64" => "double",
        "c_void" => "void",
        "c_char" => "char",
        "c_int" => "int",
        "c_uint" => "unsigned",
        _ => return None,
    })
}

/// The name in C of a field that is a keyword of Rust.
fn c_name(field: &str) -> &str {
    field.strip_suffix('_').unwrap_or(field)
}

fn last_name(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    path.path.segments.last().map(|segment| segment.ident.to_string())
}

/// `VALUE(GGML_MAX_DIMS, 4);`, `TEXT(GGUF_MAGIC, "GGUF");`.
fn value(name: &str, expr: &Expr) -> Result<String, String> {
    if let Some(n) = integer(expr) {
        return Ok(format!("VALUE({name}, {n}LL);"));
    }
    if let Expr::Lit(lit) = expr
        && let Lit::ByteStr(text) = &lit.lit
        && let Some(text) =
            String::from_utf8(text.value()).ok().as_deref().and_then(|text| text.strip_suffix('\0'))
    {
        return Ok(format!("TEXT({name}, {text:?});"));
    }
    Err(format!("the constant {name} has no check yet: add it to build/layout.rs"))
}

fn integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Int(n) => n.base10_parse().ok(),
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => integer(&unary.expr).map(|n| -n),
        _ => None,
    }
}

/// `("Size of llama_batch", 56)` from `["Size of llama_batch"][::std::mem::size_of::<llama_batch>() - 56usize];`.
fn size(statement: &Stmt) -> Option<(String, i64)> {
    let Stmt::Expr(Expr::Index(index), _) = statement else { return None };
    let (Expr::Array(what), Expr::Binary(size)) = (&*index.expr, &*index.index) else { return None };
    let Some(Expr::Lit(what)) = what.elems.first() else { return None };
    let Lit::Str(what) = &what.lit else { return None };
    matches!(size.op, BinOp::Sub(_)).then_some(())?;
    Some((what.value(), integer(&size.right)?))
}
