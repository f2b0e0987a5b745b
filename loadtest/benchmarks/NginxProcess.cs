using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace GrpcLlm.Benchmarks;

/// <summary>nginx as a plain pass-through: HTTP/1.1, kept connections, no buffering.</summary>
internal sealed class NginxProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly string _folder;

    private NginxProcess(Process process, string folder, int port)
    {
        _process = process;
        _folder = folder;
        Port = port;
    }

    public int Port { get; }

    /// <summary>Processor time that it has used since its start.</summary>
    public TimeSpan ProcessorTime => ProcessUse.ProcessorTime(_process.Id);

    /// <summary>Bytes of memory that it holds.</summary>
    public long ResidentBytes => ProcessUse.ResidentBytes(_process.Id);

    /// <summary>Starts it; null where it is not installed.</summary>
    public static async Task<NginxProcess?> StartAsync(int upstreamPort)
    {
        var port = FreePort();
        var folder = Directory.CreateTempSubdirectory("grpcllm-nginx-").FullName;
        var configuration = Path.Combine(folder, "nginx.conf");
        await File.WriteAllTextAsync(configuration, $$"""
            daemon off;
            worker_processes 2;
            pid {{folder}}/nginx.pid;
            error_log {{folder}}/error.log;
            events { worker_connections 4096; }
            http {
              access_log off;
              keepalive_requests 1000000;
              client_body_temp_path {{folder}}/body;
              proxy_temp_path {{folder}}/proxy;
              fastcgi_temp_path {{folder}}/fastcgi;
              uwsgi_temp_path {{folder}}/uwsgi;
              scgi_temp_path {{folder}}/scgi;
              upstream up { server 127.0.0.1:{{upstreamPort}}; keepalive 512; keepalive_requests 1000000; }
              server {
                listen 127.0.0.1:{{port}};
                location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
              }
            }
            """);
        try
        {
            var start = new ProcessStartInfo("nginx");
            foreach (var argument in new[] { "-p", folder, "-c", configuration }) start.ArgumentList.Add(argument);
            var process = Process.Start(start)!;
            await WaitUntilItListensAsync(port);
            return new NginxProcess(process, folder, port);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Directory.Delete(folder, recursive: true);
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task WaitUntilItListensAsync(int port)
    {
        for (var attempt = 0; attempt < 100; attempt++)
        {
            using var client = new TcpClient();
            try
            {
                await client.ConnectAsync(IPAddress.Loopback, port);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
            }
        }

        throw new InvalidOperationException("nginx does not listen.");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
