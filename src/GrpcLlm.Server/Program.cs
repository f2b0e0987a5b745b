using GrpcLlm.Server.Hosting;

return await ServerHost.RunAsync(args);
