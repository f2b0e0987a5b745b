using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Routing;

public sealed class ModelListingTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(8)]
    public async Task Page_Followed_GivesEachModelOnceInOrder(int size)
    {
        var catalog = Catalog("g", "a", "Z", "é", "😀", "b:1", "c");
        var names = new List<string>();
        var token = "";
        do
        {
            var page = await PageAsync(catalog, new ListModelsRequest { PageSize = size, PageToken = token });
            page.Models.Count.ShouldBeLessThanOrEqualTo(size);
            names.AddRange(page.Models.Select(static model => model.Name));
            token = page.NextPageToken;
        }
        while (token.Length > 0);

        names.ShouldBe(["Z", "a", "b:1", "c", "g", "é", "😀"]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    public async Task Page_SizeLeftOpenOrTooLarge_IsCut(int size)
    {
        var catalog = Catalog([.. Enumerable.Range(0, 150).Select(static index => $"m{index:D3}")]);

        var page = await PageAsync(catalog, new ListModelsRequest { PageSize = size });

        page.Models.Count.ShouldBe(ModelListing.MaxPageSize);
        page.NextPageToken.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Page_BehindTheLast_IsEmpty()
    {
        var all = Catalog("a", "b", "c");
        var token = (await PageAsync(all, new ListModelsRequest { PageSize = 2 })).NextPageToken;

        var page = await PageAsync(Catalog("a"), new ListModelsRequest { PageToken = token });

        page.Models.ShouldBeEmpty();
        page.NextPageToken.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(-1, "", "page_size")]
    [InlineData(int.MinValue, "", "page_size")]
    [InlineData(0, "!", "page_token")]
    [InlineData(0, "_w", "page_token")]
    [InlineData(-1, "!", "page_size,page_token")]
    public async Task Page_NegativeSizeOrForeignToken_IsRefused(int size, string token, string fields)
    {
        var request = new ListModelsRequest { PageSize = size, PageToken = token };

        (await Should.ThrowAsync<CallFailureException>(async () => await PageAsync(Catalog("a"), request)))
            .Violations.Select(static one => one.Field).ShouldBe(fields.Split(','));
    }

    [Fact]
    public async Task Describe_SeveralRoutes_TellsWhatHoldsForAll()
    {
        var model = await DescribeAsync(
            new BackendModel
            {
                DisplayName = "First", Owner = "me", Description = "d", ContextWindow = 100, MaxOutputTokens = 10,
                Capabilities = [ModelCapability.Tools, ModelCapability.Seed, ModelCapability.Logprobs],
                InputModalities = [Modality.Text, Modality.Image], OutputModalities = [Modality.Text],
            },
            new BackendModel
            {
                DisplayName = "Second", ContextWindow = 50, MaxOutputTokens = 20,
                Capabilities = [ModelCapability.Seed, ModelCapability.Tools, ModelCapability.Reasoning],
                InputModalities = [Modality.Text],
            });

        model.ShouldBe(new Model
        {
            Name = "m",
            DisplayName = "First",
            Description = "d",
            Owner = "me",
            Aliases = { "alias" },
            ContextWindow = 50,
            MaxOutputTokens = 10,
            InputModalities = { Modality.Text },
            Capabilities = { ModelCapability.Tools, ModelCapability.Seed },
            IsDefault = true,
            Backends = { "b0", "b1" },
            State = ModelState.Available,
        });
    }

    [Fact]
    public async Task Describe_OneRouteUnknown_TellsNoLimit()
    {
        var model = await DescribeAsync(new BackendModel { ContextWindow = 100, MaxOutputTokens = 10 }, new BackendModel());

        model.HasContextWindow.ShouldBeFalse();
        model.HasMaxOutputTokens.ShouldBeFalse();
    }

    private static async Task<Model> DescribeAsync(params BackendModel[] known)
    {
        var routes = known.Select(static (one, index) => Lanes.Route(new FakeBackend($"b{index}") { Known = one }, "x"));
        var catalog = new ModelCatalog([new ServedModel("m", ["alias"], [.. routes])], "m");
        return (await PageAsync(catalog, new ListModelsRequest())).Models.ShouldHaveSingleItem();
    }

    private static ValueTask<ListModelsResponse> PageAsync(ModelCatalog catalog, ListModelsRequest request) =>
        ModelListing.PageAsync(catalog, Tenant.Anonymous, request, TestContext.Current.CancellationToken);

    private static ModelCatalog Catalog(params string[] names) => new(
        names.Select(static name => new ServedModel(name, [], [Lanes.Route(new FakeBackend("b"), name)])), names[0]);
}
