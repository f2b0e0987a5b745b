namespace Grpc.Core;

/// <summary>
/// Adds the credentials of one call to its headers. Runs for many calls at once and must be thread-safe.
/// </summary>
/// <param name="context">The call.</param>
/// <param name="metadata">Takes the headers.</param>
/// <returns>Done when the headers have been added; if it fails, so does the call.</returns>
public delegate Task AsyncAuthInterceptor(AuthInterceptorContext context, Metadata metadata);
