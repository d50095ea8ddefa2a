//! Resources: what is under a path, by method.

use actix_web::http::Method;
use actix_web::{HttpResponse, Resource, Route, web};

use crate::Problem;

/// A resource with a route for each method that it knows. Any other is answered 405, with those in
/// `Allow` (RFC 9110, section 15.5.6).
pub fn resource<const N: usize>(path: &str, routes: [(Method, Route); N]) -> Resource {
    let methods: Vec<_> = routes.iter().map(|(method, _)| method.as_str()).collect();
    let problem = Problem::method_not_allowed(methods.join(", "));
    let known =
        routes.into_iter().fold(web::resource(path), |resource, (method, route)| resource.route(route.method(method)));
    known.default_service(web::to(move || {
        let problem = problem.clone();
        async { Err::<HttpResponse, _>(problem) }
    }))
}
