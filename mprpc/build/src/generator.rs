//! Writes the module of one service: descriptor, trait, `serve` and client.

use std::fmt::Write as _;

use prost_build::{Comments, Method, Service, ServiceGenerator};

/// Plugged into prost-build, which calls it once for each service.
pub(crate) struct Generator;

impl ServiceGenerator for Generator {
    fn generate(&mut self, service: Service, buf: &mut String) {
        // Writing to a String cannot fail.
        let _ = write_service(&service, buf);
    }

    fn finalize_package(&mut self, _package: &str, buf: &mut String) {
        buf.push_str(
            "/// The compiled descriptors of every file of this build.\n\
             pub const FILE_DESCRIPTOR_SET: &[u8] =\n    \
             include_bytes!(concat!(env!(\"OUT_DIR\"), \"/file_descriptor_set.bin\"));\n",
        );
    }
}

fn write_service(service: &Service, buf: &mut String) -> std::fmt::Result {
    let full_name = if service.package.is_empty() {
        service.proto_name.clone()
    } else {
        format!("{}.{}", service.package, service.proto_name)
    };
    writeln!(buf, "/// The service `{full_name}`: its trait, its server and its client.")?;
    writeln!(buf, "pub mod {} {{", module_name(&service.proto_name))?;
    write_descriptor(service, &full_name, buf)?;
    write_trait(service, &full_name, buf)?;
    write_serve(service, &full_name, buf)?;
    write_client(service, &full_name, buf)?;
    writeln!(buf, "}}")
}

fn write_descriptor(service: &Service, full_name: &str, buf: &mut String) -> std::fmt::Result {
    let methods: Vec<String> =
        service.methods.iter().map(|m| format!("\"{}\"", m.proto_name)).collect();
    writeln!(
        buf,
        "    /// What a call to `{full_name}` is addressed with.\n    \
         pub static DESCRIPTOR: ::mprpc::ServiceDescriptor = ::mprpc::ServiceDescriptor {{\n        \
             full_name: \"{full_name}\",\n        \
             short_name: \"{}\",\n        \
             methods: &[{}],\n    }};\n",
        service.proto_name,
        methods.join(", "),
    )
}

fn write_trait(service: &Service, full_name: &str, buf: &mut String) -> std::fmt::Result {
    doc_comments(buf, &service.comments, 1);
    writeln!(buf, "    /// What an implementation of `{full_name}` provides.")?;
    writeln!(
        buf,
        "    ///\n    /// Handlers run on the task of their connection: one that blocks the thread holds up the\n    \
         /// other calls there, and its server looks dead to clients that ping it."
    )?;
    writeln!(buf, "    pub trait Server: Send + Sync + 'static {{")?;
    for method in &service.methods {
        doc_comments(buf, &method.comments, 2);
        writeln!(buf, "        /// Serves `{full_name}/{}`.", method.proto_name)?;
        writeln!(
            buf,
            "        fn {}(&self, cx: &::mprpc::Context{}) -> \
             impl ::core::future::Future<Output = {}> + Send;",
            method.name,
            handler_parameters(method),
            handler_outcome(method),
        )?;
    }
    writeln!(buf, "    }}\n")
}

fn write_serve(service: &Service, full_name: &str, buf: &mut String) -> std::fmt::Result {
    writeln!(
        buf,
        "    /// Makes `service` something that an `mprpc::Server` can serve as `{full_name}`.\n    \
         pub fn serve<S: Server>(service: impl Into<::std::sync::Arc<S>>) -> ::mprpc::Service {{\n        \
             ::mprpc::Service::new(&DESCRIPTOR, Dispatcher::new(service.into()))\n    }}\n\n    \
         struct Dispatcher<S>(::std::sync::Arc<Held<S>>);\n\n    \
         struct Held<S>(::std::sync::Arc<S>);\n\n    \
         impl<S> Dispatcher<S> {{\n        \
             fn new(service: ::std::sync::Arc<S>) -> Self {{\n            \
                 Self(::std::sync::Arc::new(Held(service)))\n        }}\n    }}\n\n    \
         impl<S: Server> ::mprpc::codegen::Dispatch for Dispatcher<S> {{\n        \
             fn for_connection(&self) -> ::std::sync::Arc<dyn ::mprpc::codegen::Dispatch> {{\n            \
                 ::std::sync::Arc::new(Dispatcher::new(::std::sync::Arc::clone(&self.0.0)))\n        }}\n\n        \
             fn dispatch(&self, method: usize, cx: ::mprpc::Context, request: ::mprpc::codegen::Bytes)\n            \
                 -> ::core::result::Result<::mprpc::codegen::Call, ::mprpc::Status> {{\n            \
                 let service = ::std::sync::Arc::clone(&self.0);\n            \
                 match method {{",
    )?;
    for (index, method) in unary(service) {
        write_decoding(index, method, buf)?;
        writeln!(
            buf,
            "                    \
             ::core::result::Result::Ok(::mprpc::codegen::call(async move {{ \
             Server::{}(&*service.0, &cx, request).await }}))\n                }}",
            method.name,
        )?;
    }
    writeln!(buf, "{NO_SUCH_METHOD}            }}\n        }}")?;
    if service.methods.iter().any(streams) {
        write_serve_streams(service, buf)?;
    }
    writeln!(buf, "    }}\n")
}

/// The arm of a `match` that begins with decoding the request.
fn write_decoding(index: usize, method: &Method, buf: &mut String) -> std::fmt::Result {
    writeln!(
        buf,
        "                {index} => {{\n                    \
         let request: {} = ::mprpc::codegen::decode_request(&DESCRIPTOR, {index}, request)?;",
        in_module(&method.input_type),
    )
}

/// The part of the dispatcher that takes calls which stream.
fn write_serve_streams(service: &Service, buf: &mut String) -> std::fmt::Result {
    writeln!(
        buf,
        "\n        fn kind(&self, method: usize) -> ::mprpc::codegen::Kind {{\n            \
             match method {{",
    )?;
    for (index, method) in streaming(service) {
        let kind = match (method.client_streaming, method.server_streaming) {
            (true, false) => "ClientStreaming",
            (false, _) => "ServerStreaming",
            (true, true) => "Bidirectional",
        };
        writeln!(buf, "                {index} => ::mprpc::codegen::Kind::{kind},")?;
    }
    writeln!(
        buf,
        "                _ => ::mprpc::codegen::Kind::Unary,\n            \
             }}\n        }}\n\n        \
             fn dispatch_streaming(&self, method: usize, cx: ::mprpc::Context, \
             opened: ::mprpc::codegen::Opened, request: ::mprpc::codegen::Bytes)\n            \
                 -> ::core::result::Result<::mprpc::codegen::Call, ::mprpc::Status> {{\n            \
                 let service = ::std::sync::Arc::clone(&self.0);\n            \
                 match method {{",
    )?;
    for (index, method) in streaming(service) {
        if method.client_streaming {
            writeln!(
                buf,
                "                {index} => {{\n                    let request = opened.requests();"
            )?;
        } else {
            write_decoding(index, method, buf)?;
        }
        let responses = if method.server_streaming { ", responses" } else { "" };
        if method.server_streaming {
            writeln!(buf, "                    let responses = opened.responses();")?;
        }
        writeln!(
            buf,
            "                    \
             ::core::result::Result::Ok(::mprpc::codegen::call(async move {{ \
             Server::{}(&*service.0, &cx, request{responses}).await }}))\n                }}",
            method.name,
        )?;
    }
    writeln!(buf, "{NO_SUCH_METHOD}            }}\n        }}")
}

/// The last arm of a `match` on a method's number.
const NO_SUCH_METHOD: &str = "                _ => ::core::result::Result::Err(\
    ::mprpc::codegen::no_such_method(&DESCRIPTOR, method)),\n";

fn write_client(service: &Service, full_name: &str, buf: &mut String) -> std::fmt::Result {
    writeln!(
        buf,
        "    /// Calls `{full_name}`. Cheap to clone. Dropping a call's future cancels the call.\n    \
         #[derive(Clone, Debug)]\n    \
         pub struct Client {{\n        channel: ::mprpc::codegen::ServiceChannel,\n    }}\n\n    \
         impl Client {{\n        \
             /// Calls go through `channel`, which resolves this service's instances.\n        \
             ///\n        \
             /// Must be called within a tokio runtime: a task follows the instances.\n        \
             pub fn new(channel: &::mprpc::Channel) -> Self {{\n            \
                 Self {{ channel: channel.service(&DESCRIPTOR) }}\n        }}\n",
    )?;
    for (index, method) in service.methods.iter().enumerate() {
        doc_comments(buf, &method.comments, 2);
        let (request, way, argument) = match (method.client_streaming, method.server_streaming) {
            (false, false) => (true, "unary", ", &request"),
            (false, true) => (true, "server_streaming", ", &request"),
            (true, false) => (false, "client_streaming", ""),
            (true, true) => (false, "bidirectional", ""),
        };
        let parameter = if request {
            format!(", request: {}", in_module(&method.input_type))
        } else {
            String::new()
        };
        writeln!(
            buf,
            "        /// Calls `{full_name}/{}`.\n        \
             pub async fn {}(&self, cx: &::mprpc::Context{parameter}) -> {} {{\n            \
             self.channel.{way}(cx, {index}{argument}).await\n        }}\n",
            method.proto_name,
            method.name,
            stub_outcome(method),
        )?;
    }
    writeln!(buf, "    }}\n")?;
    write_stub_as_server(service, buf)
}

fn write_stub_as_server(service: &Service, buf: &mut String) -> std::fmt::Result {
    writeln!(buf, "    impl Server for Client {{")?;
    for method in &service.methods {
        let name = &method.name;
        let forwarded = match (method.client_streaming, method.server_streaming) {
            (false, false) => format!("Client::{name}(self, cx, request).await"),
            (false, true) => format!(
                "let back = Client::{name}(self, cx, request).await?; \
                 ::mprpc::codegen::forward_responses(back, responses).await"
            ),
            (true, false) => format!(
                "let there = Client::{name}(self, cx).await?; \
                 ::mprpc::codegen::forward_requests(requests, there).await"
            ),
            (true, true) => format!(
                "let there = Client::{name}(self, cx).await?; \
                 ::mprpc::codegen::forward_both(requests, there, responses).await"
            ),
        };
        writeln!(
            buf,
            "        async fn {name}(&self, cx: &::mprpc::Context{}) -> {} {{\n            \
             {forwarded}\n        }}",
            handler_parameters(method),
            handler_outcome(method),
        )?;
    }
    writeln!(buf, "    }}")
}

fn streams(method: &Method) -> bool {
    method.client_streaming || method.server_streaming
}

/// The methods that do not stream, with their numbers.
fn unary(service: &Service) -> impl Iterator<Item = (usize, &Method)> {
    service.methods.iter().enumerate().filter(|(_, method)| !streams(method))
}

/// Those that do.
fn streaming(service: &Service) -> impl Iterator<Item = (usize, &Method)> {
    service.methods.iter().enumerate().filter(|(_, method)| streams(method))
}

/// What a handler gets besides the context.
fn handler_parameters(method: &Method) -> String {
    let request = in_module(&method.input_type);
    let response = in_module(&method.output_type);
    let requests = if method.client_streaming {
        format!(", requests: ::mprpc::Receiver<{request}>")
    } else {
        format!(", request: {request}")
    };
    if method.server_streaming {
        format!("{requests}, responses: ::mprpc::Sender<{response}>")
    } else {
        requests
    }
}

/// What a handler returns: nothing, where its answer is a stream.
fn handler_outcome(method: &Method) -> String {
    if method.server_streaming { result("()") } else { result(&in_module(&method.output_type)) }
}

/// What a stub returns.
fn stub_outcome(method: &Method) -> String {
    let request = in_module(&method.input_type);
    let response = in_module(&method.output_type);
    let sender = format!("::mprpc::Sender<{request}>");
    match (method.client_streaming, method.server_streaming) {
        (false, false) => result(&response),
        (false, true) => result(&format!("::mprpc::Receiver<{response}>")),
        (true, false) => result(&format!("({sender}, ::mprpc::Answer<{response}>)")),
        (true, true) => result(&format!("({sender}, ::mprpc::Receiver<{response}>)")),
    }
}

fn result(of: &str) -> String {
    format!("::core::result::Result<{of}, ::mprpc::Status>")
}

/// A type's path as seen from the service's module, which is one level below the messages.
fn in_module(path: &str) -> String {
    if path.starts_with("::") || path == "()" { path.to_owned() } else { format!("super::{path}") }
}

/// The comments of the `.proto` file, as prost writes them above messages, and a line that parts
/// them from what follows.
fn doc_comments(buf: &mut String, comments: &Comments, level: u8) {
    let before = buf.len();
    comments.append_with_indent(level, buf);
    if buf.len() > before {
        buf.extend((0..level).map(|_| "    "));
        buf.push_str("///\n");
    }
}

/// `UserService` -> `user_service`; runs of capitals stay together (`C2CService` -> `c2c_service`).
fn module_name(proto_name: &str) -> String {
    let chars: Vec<char> = proto_name.chars().collect();
    let mut name = String::with_capacity(proto_name.len() + 4);
    for (i, c) in chars.iter().enumerate() {
        let starts_word = i > 0
            && c.is_uppercase()
            && (chars[i - 1].is_lowercase()
                || chars.get(i + 1).is_some_and(|next| next.is_lowercase()));
        if starts_word && !name.ends_with('_') {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::{in_module, module_name};

    #[test]
    fn module_names_follow_the_words_of_the_service() {
        assert_eq!(module_name("UserService"), "user_service");
        assert_eq!(module_name("HTTPGateway"), "http_gateway");
        assert_eq!(module_name("Echo"), "echo");
        assert_eq!(module_name("C2CService"), "c2c_service");
    }

    #[test]
    fn paths_are_seen_from_one_level_below_except_absolute_ones() {
        assert_eq!(in_module("LoginReq"), "super::LoginReq");
        assert_eq!(in_module("super::other::Req"), "super::super::other::Req");
        assert_eq!(in_module("::prost_types::Any"), "::prost_types::Any");
        assert_eq!(in_module("()"), "()");
    }
}
