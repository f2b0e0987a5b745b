namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>
/// Waits for what the server does after a client has heard the last of it and that nothing announces (a counter that
/// returns to zero). Yields between looks and gives up only with the test itself.
/// </summary>
internal static class Eventually
{
    public static async Task IsAsync(Func<bool> condition)
    {
        var token = TestContext.Current.CancellationToken;
        while (!condition())
        {
            token.ThrowIfCancellationRequested();
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, token);
        }
    }
}
