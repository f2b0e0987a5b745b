namespace GrpcLlm.Server.Hosting;

/// <summary>
/// The deployment that is served, and those before it that running calls still use. A backend is disposed when no
/// deployment that is current or leased holds it. Thread-safe.
/// </summary>
/// <param name="first">The deployment of the start.</param>
internal sealed class Deployments(Deployment first) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly List<Deployment> _replaced = [];
    private Deployment _current = first;

    /// <summary>What new calls are served from.</summary>
    public Deployment Current => Volatile.Read(ref _current);

    /// <summary>Takes the current deployment for a call; dispose it once, when the call ended. No lock.</summary>
    public DeploymentLease Acquire()
    {
        while (true)
        {
            // Replaced between reading and keeping, it may be gone; then there is a newer one.
            var current = Current;
            if (current.TryKeep()) return new DeploymentLease(this, current);
        }
    }

    /// <summary>Serves new calls from another deployment; those that run stay with theirs. One caller at a time.</summary>
    public void Replace(Deployment next)
    {
        var old = Current;
        lock (_gate) _replaced.Add(old);
        Volatile.Write(ref _current, next);
        Leave(old);
    }

    /// <summary>Disposes all backends, whoever still uses them: the server is gone.</summary>
    public async ValueTask DisposeAsync()
    {
        Deployment[] all;
        lock (_gate) all = [.. _replaced, Current];
        foreach (var backend in all.SelectMany(static deployment => deployment.Backends.Values)) await backend.DisposeAsync();
    }

    /// <summary>Lets go of a deployment: a call's, or the one that was replaced.</summary>
    public void Leave(Deployment deployment)
    {
        if (deployment.Leave()) _ = RetireAsync(deployment);
    }

    private async Task RetireAsync(Deployment deployment)
    {
        foreach (var backend in deployment.Backends.Values) await backend.ReleaseAsync();

        // Last, so that the end of the server misses none that is still closing.
        lock (_gate) _replaced.Remove(deployment);
    }
}

/// <summary>A call's hold on its deployment; dispose once.</summary>
internal readonly struct DeploymentLease(Deployments deployments, Deployment deployment) : IDisposable
{
    /// <summary>What the call is served from.</summary>
    public Deployment Deployment => deployment;

    public void Dispose() => deployments.Leave(deployment);
}
