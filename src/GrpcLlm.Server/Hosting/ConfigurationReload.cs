using System.Threading.Channels;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Telemetry;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// Serves what the configuration says now, whenever any of its sources changed. A state that cannot be served changes
/// nothing: it is named, and the old one stays. One reload at a time; the last state wins.
/// </summary>
internal sealed partial class ConfigurationReload(
    IConfiguration configuration, Deployments deployments, DeploymentBuilder builder, AdmissionQueue admission,
    AnonymousGuard guard, ContentLog content, IServer server, SettingsFiles files, ILogger<ConfigurationReload> logger) : BackgroundService
{
    // One place: a change during a reload means one more reload, however many changes there are.
    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private bool _rejected;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var registration = ChangeToken.OnChange(configuration.GetReloadToken, () => _changes.Writer.TryWrite(true));

        // Once at the start, for what changed between the first reading and the registration.
        _changes.Writer.TryWrite(true);
        try
        {
            await foreach (var _ in _changes.Reader.ReadAllAsync(stoppingToken)) Reload();
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private void Reload()
    {
        var unreadable = files.TakeErrors();
        if (unreadable.Count > 0)
        {
            _rejected = true;
            Rejected(logger, unreadable);
        }

        var current = deployments.Current;
        var settings = SettingsSnapshot.Take(configuration);
        var changes = ConfigurationChanges.Between(current.Settings, settings);
        if (changes.Count == 0)
        {
            // A source that changed nothing of ours; worth a word only after a state that was no good.
            if (_rejected && unreadable.Count == 0) Restored(logger);
            _rejected = unreadable.Count > 0;
            return;
        }

        try
        {
            var options = GrpcLlmOptions.Bind(settings.Configuration);
            guard.Check(options, server.Features.Get<IServerAddressesFeature>()?.Addresses ?? []);
            deployments.Replace(builder.Build(settings, options, current));
            admission.Update(options.Admission);
        }
        catch (OptionsValidationException exception)
        {
            _rejected = true;
            Rejected(logger, exception.Failures);
            return;
        }
        catch (Exception exception)
        {
            // A fault of ours. It must not take down a server that serves well with what it has.
            _rejected = true;
            Failed(logger, exception);
            return;
        }

        _rejected = unreadable.Count > 0;
        Reloaded(logger, changes);
        content.Announce(deployments.Current.Options.Telemetry);
        if (deployments.Current.Options.Limits.MaxRequestBytes != current.Options.Limits.MaxRequestBytes)
            NeedsRestart(logger, "GrpcLlm:Limits:MaxRequestBytes");
    }

    [LoggerMessage(EventId = 11, EventName = "ConfigurationReloaded", Level = LogLevel.Information,
        Message = "The configuration was reloaded: {Changes}.")]
    private static partial void Reloaded(ILogger logger, IEnumerable<string> changes);

    [LoggerMessage(EventId = 12, EventName = "ConfigurationRejected", Level = LogLevel.Error,
        Message = "The changed configuration cannot be served, the old one stays: {Errors}.")]
    private static partial void Rejected(ILogger logger, IEnumerable<string> errors);

    [LoggerMessage(EventId = 15, EventName = "ConfigurationReloadFailed", Level = LogLevel.Error,
        Message = "The changed configuration could not be taken over, the old one stays.")]
    private static partial void Failed(ILogger logger, Exception exception);

    [LoggerMessage(EventId = 13, EventName = "ConfigurationRestored", Level = LogLevel.Information,
        Message = "The configuration is again the one that is served.")]
    private static partial void Restored(ILogger logger);

    [LoggerMessage(EventId = 14, EventName = "ConfigurationNeedsRestart", Level = LogLevel.Warning,
        Message = "{Setting} counts from the next start on.")]
    private static partial void NeedsRestart(ILogger logger, string setting);
}
