using System.Text;

namespace GrpcStandIns.Tests.Api;

public class AuthContextTests
{
    [Fact]
    public void NoIdentity_MeansNotAuthenticated()
    {
        var context = Context(identity: null, Property("transport", "tls"));

        context.IsPeerAuthenticated.ShouldBeFalse();
        context.PeerIdentityPropertyName.ShouldBeNull();
        context.PeerIdentity.ShouldBeEmpty();
        context.Properties.Count().ShouldBe(1);
    }

    [Fact]
    public void Identity_IsEveryPropertyOfThatName()
    {
        var first = Property("name", "a.example");
        var second = Property("name", "b.example");
        var other = Property("transport", "tls");
        var context = Context("name", first, second, other);

        context.IsPeerAuthenticated.ShouldBeTrue();
        context.PeerIdentityPropertyName.ShouldBe("name");
        context.PeerIdentity.ShouldBe([first, second]);
        context.Properties.ShouldBe([first, second, other], ignoreOrder: true);
        context.FindPropertiesByName("transport").ShouldBe([other]);
        context.FindPropertiesByName("absent").ShouldBeEmpty();
    }

    [Fact]
    public void Property_GivesTextAndBytes()
    {
        var property = Property("name", "grüße");

        property.Name.ShouldBe("name");
        property.Value.ShouldBe("grüße");
        property.ValueBytes.ShouldBe(Encoding.UTF8.GetBytes("grüße"));
    }

    [Fact]
    public void Property_SourceOrCopyChanges_StaysAsItWas()
    {
        byte[] source = [65, 66];
        var property = AuthProperty.Create("name", source);

        source[0] = 0;
        property.ValueBytes[1] = 0;

        property.Value.ShouldBe("AB");
    }

    private static AuthContext Context(string? identity, params AuthProperty[] properties) => new(
        identity,
        properties
            .GroupBy(property => property.Name, StringComparer.Ordinal)
            .ToDictionary(group => group.Key, group => group.ToList(), StringComparer.Ordinal));

    private static AuthProperty Property(string name, string value) =>
        AuthProperty.Create(name, Encoding.UTF8.GetBytes(value));
}
