using System.Collections.Concurrent;
using Microsoft.Extensions.Configuration.Json;
using Microsoft.Extensions.FileProviders;
using Microsoft.Extensions.Primitives;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// The JSON files of the configuration, made safe to rewrite under a running server. The framework's own provider drops
/// all values of a file that is half written or gone for a moment, and Kestrel would close its endpoints; these keep the
/// last good values and note what was wrong. Thread-safe.
/// </summary>
internal sealed class SettingsFiles
{
    private readonly ConcurrentQueue<string> _errors = new();
    private bool _started;

    /// <summary>Takes the place of the framework's own, in all sources there are. Files are read again by that.</summary>
    /// <exception cref="InvalidDataException">A file cannot be read; from now on, none throws.</exception>
    public void Guard(ConfigurationManager configuration)
    {
        var shared = ((IConfigurationBuilder)configuration).GetFileProvider();
        var sources = ((IConfigurationBuilder)configuration).Sources;
        for (var index = 0; index < sources.Count; index++)
        {
            if (sources[index] is not JsonConfigurationSource source || source.GetType() != typeof(JsonConfigurationSource)) continue;
            sources[index] = new GuardedSource(this)
            {
                Path = source.Path!,
                Optional = source.Optional,
                ReloadOnChange = source.ReloadOnChange,
                ReloadDelay = source.ReloadDelay,
                OnLoadException = source.OnLoadException,

                // One that is the source's own is disposed with it.
                FileProvider = source.FileProvider is PhysicalFileProvider own && own != shared
                    ? new PhysicalFileProvider(own.Root) : source.FileProvider,
            };
        }

        _started = true;
    }

    /// <summary>What was wrong since it was asked last; names files and lines, never values.</summary>
    public IReadOnlyList<string> TakeErrors()
    {
        var errors = new List<string>();
        while (_errors.TryDequeue(out var error)) errors.Add(error);
        return errors;
    }

    /// <summary>Which file, and what is wrong with it where.</summary>
    public static string Describe(Exception exception)
    {
        var text = exception.Message;
        for (var inner = exception.InnerException; inner is not null; inner = inner.InnerException) text += " " + inner.Message;
        return text;
    }

    private sealed class GuardedSource(SettingsFiles files) : JsonConfigurationSource
    {
        public override IConfigurationProvider Build(IConfigurationBuilder builder)
        {
            EnsureDefaults(builder);
            if (FileProvider is not null and not LastingFiles) FileProvider = new LastingFiles(FileProvider);
            return new GuardedProvider(this, files);
        }
    }

    private sealed class GuardedProvider(JsonConfigurationSource source, SettingsFiles files) : JsonConfigurationProvider(source)
    {
        public override void Load(Stream stream)
        {
            try
            {
                if (stream == Stream.Null) files._errors.Enqueue($"{Source.Path}: The file is gone.");
                else base.Load(stream);
            }
            catch (Exception exception) when (files._started && exception is FormatException or IOException)
            {
                files._errors.Enqueue($"{Source.Path}: {Describe(exception)}");
            }
        }
    }

    /// <summary>Shows a file that was there and is gone as empty, for which the provider asks differently.</summary>
    private sealed class LastingFiles(IFileProvider files) : IFileProvider
    {
        private readonly ConcurrentDictionary<string, bool> _seen = new(StringComparer.Ordinal);

        public IFileInfo GetFileInfo(string subpath)
        {
            var file = files.GetFileInfo(subpath);
            if (file.Exists) _seen[subpath] = true;
            return file.Exists || !_seen.ContainsKey(subpath) ? file : new GoneFile(file.Name);
        }

        public IDirectoryContents GetDirectoryContents(string subpath) => files.GetDirectoryContents(subpath);

        public IChangeToken Watch(string filter) => files.Watch(filter);
    }

    private sealed class GoneFile(string name) : IFileInfo
    {
        public bool Exists => true;

        public bool IsDirectory => false;

        public DateTimeOffset LastModified => DateTimeOffset.MinValue;

        public long Length => 0;

        public string Name => name;

        public string? PhysicalPath => null;

        public Stream CreateReadStream() => Stream.Null;
    }
}
