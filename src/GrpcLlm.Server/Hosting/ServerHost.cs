using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Grpc;
using GrpcLlm.Server.Ops;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Telemetry.Prometheus;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using GenerationService = GrpcLlm.Server.Grpc.GenerationService;

namespace GrpcLlm.Server.Hosting;

/// <summary>Composes and runs the server. The one place that knows all parts.</summary>
internal static class ServerHost
{
    /// <summary>Exit code for a configuration that cannot be served.</summary>
    public const int InvalidConfiguration = 2;

    /// <summary>Runs until told to stop.</summary>
    /// <returns>0 after a clean stop; <see cref="InvalidConfiguration"/> with every error named on standard error.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            using var signals = new ShutdownSignals(Environment.Exit);
            await using var app = Build(args);
            await app.RunAsync();
            return 0;
        }
        catch (OptionsValidationException exception)
        {
            foreach (var failure in exception.Failures) await Console.Error.WriteLineAsync($"configuration: {failure}");
            return InvalidConfiguration;
        }
        catch (InvalidDataException exception)
        {
            // A file of settings that is no JSON.
            await Console.Error.WriteLineAsync($"configuration: {SettingsFiles.Describe(exception)}");
            return InvalidConfiguration;
        }
    }

    /// <summary>Builds the application; nothing listens yet.</summary>
    /// <param name="args">Command line, in the form of .NET configuration.</param>
    /// <param name="configure">Last changes, for tests.</param>
    /// <exception cref="OptionsValidationException">The configuration cannot be served.</exception>
    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        // Compiling and building these takes as long as a model takes to load, and no setting decides on them: on another
        // core. Whoever asks for one meanwhile waits for it.
        _ = Task.Run(static () => GenerationReflection.Descriptor);

        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            Args = args,
            // Settings lie beside the program, wherever it is started from.
            ContentRootPath = AppContext.BaseDirectory,
        });
        AddServices(builder);
        configure?.Invoke(builder);
        var files = new SettingsFiles();
        files.Guard(builder.Configuration);
        builder.Services.AddSingleton(files);
        var app = builder.Build();

        // Loaded now, so that a wrong setting or a missing model stops the start rather than the first call.
        var deployment = app.Services.GetRequiredService<Deployments>().Current;
        app.Services.GetRequiredService<ContentLog>().Announce(deployment.Options.Telemetry);
        MapEndpoints(app);
        var readiness = app.Services.GetRequiredService<Readiness>();
        app.Lifetime.ApplicationStarted.Register(() => readiness.Set(ready: true));
        return app;
    }

    private static void AddServices(WebApplicationBuilder builder)
    {
        var services = builder.Services;
        builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            KestrelSettings.Apply(kestrel);
            kestrel.ApplicationServices.GetRequiredService<AnonymousGuard>().Watch(kestrel);
        });

        // Kestrel itself reads its endpoints there, not its limits.
        services.Configure<KestrelServerOptions>(builder.Configuration.GetSection("Kestrel"));
        SecretLogs.Bound(services);
        services.AddGrpc();
        services.AddOptions<global::Grpc.AspNetCore.Server.GrpcServiceOptions>()
            .Configure<Deployments>(static (grpc, deployments) =>
                grpc.MaxReceiveMessageSize = deployments.Current.Options.Limits.MaxRequestBytes);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<
            global::Grpc.AspNetCore.Server.Model.IServiceMethodProvider<GenerationService>, GenerationServiceMethods>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<
            global::Grpc.AspNetCore.Server.Model.IServiceMethodProvider<HealthService>, HealthServiceMethods>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<
            global::Grpc.AspNetCore.Server.Model.IServiceMethodProvider<ReflectionService>, ReflectionServiceMethods>());

        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<GenerationService>();
        services.AddSingleton<HealthService>();
        services.AddSingleton(static _ => new ReflectionService(
        [
            GenerationReflection.Descriptor,
            global::Grpc.Health.V1.HealthReflection.Descriptor,
            global::Grpc.Reflection.V1.ReflectionReflection.Descriptor,
            global::Grpc.Reflection.V1Alpha.ReflectionReflection.Descriptor,
        ]));
        services.AddSingleton<LiveCalls>();
        services.AddSingleton(static provider => new AdmissionQueue(
            provider.GetRequiredService<Deployments>().Current.Options.Admission, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<CallAdmission>();
        services.AddSingleton<ServerMetrics>();
        services.AddSingleton<CostMetrics>();
        services.AddSingleton<StatusHistory>();
        services.AddSingleton<LoadMonitor>();
        services.AddSingleton<UsageRecordLog>();
        services.AddSingleton<ContentLog>();
        services.AddSingleton<CallBooks>();
        services.AddSingleton<UnreadCalls>();
        services.AddSingleton<ResetGuard>();
        services.AddSingleton<PrometheusExporter>();
        services.AddSingleton<Readiness>();
        services.AddSingleton<StatusReader>();
        services.AddSingleton<BackendFactory>();
        services.AddSingleton<DeploymentBuilder>();
        services.AddSingleton(static provider =>
        {
            var settings = SettingsSnapshot.Take(provider.GetRequiredService<IConfiguration>());
            var options = GrpcLlmOptions.Bind(settings.Configuration);
            return new Deployments(provider.GetRequiredService<DeploymentBuilder>().Build(settings, options, previous: null));
        });
        services.AddSingleton<AnonymousGuard>();

        // First among those that stop, so last to have stopped: hosted services end in reverse order.
        services.AddHostedService<TelemetryService>();
        services.AddHostedService<ConfigurationReload>();
        services.AddHostedService<DrainService>();

        // The drain bounds every step of its own, by settings that may change until then.
        services.Configure<HostOptions>(static host => host.ShutdownTimeout = Timeout.InfiniteTimeSpan);
    }

    private static void MapEndpoints(WebApplication app)
    {
        var time = app.Services.GetRequiredService<TimeProvider>();
        var unreadCalls = app.Services.GetRequiredService<UnreadCalls>();
        var resetGuard = app.Services.GetRequiredService<ResetGuard>();
        var services = new RootServices(app.Services);

        // First of all, so that the clock starts before anything else is done. Whatever waits for the end of a call waits
        // here: the frame of an await lasts as long as a stream.
        app.Use(async (context, next) =>
        {
            var clock = new CallClock(time);
            context.Features.Set(clock);
            context.Features.Set<IServiceProvidersFeature>(services);
            try
            {
                await next(context);
            }
            finally
            {
                resetGuard.CallEnded(context, clock);
                unreadCalls.CallEnded(context);
            }
        });
        app.Use(ServerSpan.RunAsync);
        app.Use(StrictRequests.InvokeAsync);
        app.MapGrpcService<GenerationService>();
        app.MapGrpcService<HealthService>();
        app.MapGrpcService<ReflectionService>();
        OpsEndpoints.Map(app);
    }

    /// <summary>
    /// The services of the application for every request. Each is a singleton here, so that a scope for each call would be
    /// made, kept as long as its stream, and disposed for nothing.
    /// </summary>
    private sealed class RootServices(IServiceProvider services) : IServiceProvidersFeature
    {
        public IServiceProvider RequestServices
        {
            get => services;
            set => throw new NotSupportedException("All requests share the services of the application.");
        }
    }
}
