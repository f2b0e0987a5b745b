using System.Globalization;
using GrpcLlm.Fuzz;
using GrpcLlm.Soak;

// Mixed traffic against a server behind a faulty upstream, for as long as is asked. Everything runs on loopback.
var (seed, duration, callers, leak) = (1, TimeSpan.FromSeconds(60), 32, Leak.None);
for (var at = 0; at < args.Length; at += 2)
{
    var value = at + 1 < args.Length ? args[at + 1] : "";
    var isRead = args[at] switch
    {
        "--seed" => int.TryParse(value, CultureInfo.InvariantCulture, out seed),
        "--duration" => Durations.TryParse(value, out duration),
        "--callers" => int.TryParse(value, CultureInfo.InvariantCulture, out callers) && callers is > 0 and <= 1000,
        "--leak" => Enum.TryParse(value, ignoreCase: true, out leak) && Enum.IsDefined(leak),
        _ => false,
    };
    if (isRead) continue;
    await Console.Error.WriteLineAsync("usage: dotnet run -c Release --project loadtest/soak -- [--seed N] [--duration 60s|5m|1h] [--callers N] [--leak memory|descriptors]");
    return 2;
}

// Windows stay as they are, so that a client that does not read stalls its stream.
AppContext.SetSwitch("System.Net.SocketsHttpHandler.Http2FlowControl.DisableDynamicWindowSizing", isEnabled: true);
Leaking.Begin(leak);
Console.WriteLine($"seed {seed}, {duration.TotalSeconds:0} s, {callers} callers");
var report = await new SoakRun(new SoakPlan(seed, duration, callers)).RunAsync();
report.Print(Console.Out);
return report.Broken.Count == 0 ? 0 : 1;
