using System.Globalization;
using System.IO.MemoryMappedFiles;
using System.Text;
using GrpcLlm.Fuzz;

// What takes bytes from outside, with bytes that nobody expects: seeded, so that every case can be repeated.
const string usage =
    """
    usage: dotnet run -c Release --project loadtest/fuzz -- [TARGET|all] [--seed N] [--cases N | --duration 60s|5m|1h] [--case N]
           dotnet run -c Release --project loadtest/fuzz -- TARGET --replay FILE
    --duration counts for each target. Default: all targets, seed 1, 10,000 cases each.
    """;

var targets = FuzzTargets.Create();
if (!Arguments.TryParse(args, [.. targets.Select(static target => target.Name)], out var arguments))
{
    await Console.Error.WriteLineAsync($"{usage}\nTargets: {string.Join(", ", targets.Select(static target => target.Name))}.");
    return 2;
}

var chosen = targets.Where(target => arguments.Target == "all" || target.Name == arguments.Target);
if (arguments.Replay is { } file)
{
    chosen.Single().Check(await File.ReadAllBytesAsync(file));
    Console.WriteLine($"{file}: holds");
    return 0;
}

var folder = Path.Combine("artifacts", "fuzz");
Directory.CreateDirectory(folder);
var failed = 0;
Console.WriteLine($"{"target",-10} {"seed",6} {"cases",12} {"cases/s",10}  result");
foreach (var target in chosen)
{
    // Mapped, so that the number of the case survives a process that it kills.
    var last = Path.Combine(folder, target.Name + ".last");
    using var mapped = MemoryMappedFile.CreateFromFile(last, FileMode.Create, null, 32);
    using var view = mapped.CreateViewAccessor();
    var result = await FuzzRun.RunAsync(
        target, arguments.Plan,
        number => view.WriteArray(0, Encoding.ASCII.GetBytes($"--seed {arguments.Plan.Seed} --case {number}".PadRight(32)[..32]), 0, 32));
    var rate = result.Cases / Math.Max(0.001, result.Elapsed.TotalSeconds);
    Console.WriteLine($"{target.Name,-10} {result.Seed,6} {result.Cases,12:N0} {rate,10:N0}  {(result.Failure is null ? "holds" : "FAILED")}");
    if (result.Failure is not { } failure) continue;
    failed++;
    var reproducer = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{target.Name}-{result.Seed}-{failure.Case}.bin"));
    await File.WriteAllBytesAsync(reproducer, failure.Input);
    Console.WriteLine($"  case {failure.Case} of seed {result.Seed}: {failure.Problem}");
    Console.WriteLine($"  again: dotnet run -c Release --project loadtest/fuzz -- {target.Name} --replay {reproducer}");
}

return failed == 0 ? 0 : 1;
