using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Reflection.V1;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// Server reflection (grpc.reflection.v1, and v1alpha, whose messages are the same on the wire), so that grpcurl, ghz
/// and buf curl need no proto file. Immutable and thread-safe.
/// </summary>
internal sealed class ReflectionService
{
    private readonly Dictionary<string, FileDescriptor> _byFile = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileDescriptor> _bySymbol = new(StringComparer.Ordinal);
    private readonly List<string> _services = [];

    /// <param name="files">Files of the services that are served.</param>
    public ReflectionService(IEnumerable<FileDescriptor> files)
    {
        foreach (var file in files)
        {
            Register(file);
            _services.AddRange(file.Services.Select(static service => service.FullName));
        }

        _services.Sort(StringComparer.Ordinal);
    }

    /// <summary>Answers each question of a client, until it has no more.</summary>
    public async Task ServerReflectionInfo(
        IAsyncStreamReader<ServerReflectionRequest> requestStream,
        IServerStreamWriter<ServerReflectionResponse> responseStream, ServerCallContext context)
    {
        while (await requestStream.MoveNext(context.CancellationToken))
            await responseStream.WriteAsync(Answer(requestStream.Current));
    }

    private ServerReflectionResponse Answer(ServerReflectionRequest request)
    {
        var response = new ServerReflectionResponse { ValidHost = request.Host, OriginalRequest = request };
        switch (request.MessageRequestCase)
        {
            case ServerReflectionRequest.MessageRequestOneofCase.ListServices:
                response.ListServicesResponse = new ListServiceResponse
                {
                    Service = { _services.Select(static name => new ServiceResponse { Name = name }) },
                };
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileByFilename:
                AnswerFile(response, _byFile, request.FileByFilename);
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingSymbol:
                AnswerFile(response, _bySymbol, request.FileContainingSymbol);
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.AllExtensionNumbersOfType
                when _bySymbol.ContainsKey(request.AllExtensionNumbersOfType):
                response.AllExtensionNumbersResponse = new ExtensionNumberResponse
                {
                    BaseTypeName = request.AllExtensionNumbersOfType,
                };
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.AllExtensionNumbersOfType:
                response.ErrorResponse = Error(StatusCode.NotFound, request.AllExtensionNumbersOfType);
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingExtension:
                response.ErrorResponse = Error(
                    StatusCode.NotFound,
                    $"extension {request.FileContainingExtension.ExtensionNumber} of {request.FileContainingExtension.ContainingType}");
                break;
            default:
                response.ErrorResponse = new ErrorResponse
                {
                    ErrorCode = (int)StatusCode.InvalidArgument, ErrorMessage = "The request asks for nothing.",
                };
                break;
        }

        return response;
    }

    /// <summary>Answers with a file and all that it imports, so that the caller needs no second question.</summary>
    private static void AnswerFile(
        ServerReflectionResponse response, Dictionary<string, FileDescriptor> index, string name)
    {
        if (!index.TryGetValue(name, out var file))
        {
            response.ErrorResponse = Error(StatusCode.NotFound, name);
            return;
        }

        response.FileDescriptorResponse = new FileDescriptorResponse();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        AddWithImports(file);

        void AddWithImports(FileDescriptor one)
        {
            if (!seen.Add(one.Name)) return;
            response.FileDescriptorResponse.FileDescriptorProto.Add(one.SerializedData);
            foreach (var import in one.Dependencies) AddWithImports(import);
        }
    }

    private static ErrorResponse Error(StatusCode code, string name) =>
        new() { ErrorCode = (int)code, ErrorMessage = $"Not found: {name}" };

    private void Register(FileDescriptor file)
    {
        if (!_byFile.TryAdd(file.Name, file)) return;
        foreach (var message in file.MessageTypes) RegisterMessage(message, file);
        foreach (var type in file.EnumTypes) RegisterEnum(type, file);
        foreach (var service in file.Services)
        {
            _bySymbol[service.FullName] = file;
            foreach (var method in service.Methods) _bySymbol[method.FullName] = file;
        }

        foreach (var import in file.Dependencies) Register(import);
    }

    private void RegisterMessage(MessageDescriptor message, FileDescriptor file)
    {
        _bySymbol[message.FullName] = file;
        foreach (var field in message.Fields.InDeclarationOrder()) _bySymbol[field.FullName] = file;
        foreach (var oneof in message.Oneofs) _bySymbol[oneof.FullName] = file;
        foreach (var nested in message.NestedTypes) RegisterMessage(nested, file);
        foreach (var type in message.EnumTypes) RegisterEnum(type, file);
    }

    private void RegisterEnum(EnumDescriptor type, FileDescriptor file)
    {
        _bySymbol[type.FullName] = file;

        // A value is a sibling of its type, as in C++; the library's own FullName says otherwise.
        var scope = type.FullName[..^type.Name.Length];
        foreach (var value in type.Values) _bySymbol[scope + value.Name] = file;
    }
}
