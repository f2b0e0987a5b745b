using GrpcLlm.Server.Backends.Embedded.Chat;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Chat;

public sealed class ChatTemplateTests
{
    private static readonly ChatMessage Hello = new("user", "secret words");

    public static TheoryData<string> Templates =>
        [.. ChatModels.Read<Rendered[]>("chat.json").Select(rendered => rendered.Template).Distinct()];

    [Theory]
    [MemberData(nameof(Templates))]
    public void Render_Conversations_GivesWhatJinjaGives(string name)
    {
        var template = ChatTemplate.Parse(ChatModels.Template(name));
        foreach (Rendered rendered in ChatModels.Read<Rendered[]>("chat.json").Where(item => item.Template == name))
        {
            ChatMessage[] messages = [.. rendered.Messages.Select(message => new ChatMessage(message.Role, message.Content))];
            if (rendered.Problem is { } problem)
                Should.Throw<TemplateException>(() => template.Render(messages, "<s>", "</s>")).Message.ShouldBe(problem);
            else template.Render(messages, "<s>", "</s>").Text.ShouldBe(rendered.Text);
        }
    }

    [Theory]
    [InlineData("{% macro m() %}{% endmacro %}", "line 1: the statement 'macro' is not known")]
    [InlineData("a\n{% include 'x' %}", "line 2: the statement 'include' is not known")]
    [InlineData("{% if x %}", "'endif' is missing")]
    [InlineData("{% for x in y %}{% endif %}", "'endif' is not known")]
    [InlineData("{% endfor %}", "'endfor' is not known")]
    [InlineData("{{ 1 + }}", "out of place")]
    [InlineData("{{ a b }}", "out of place")]
    [InlineData("{{ 'a }}", "a string has no end")]
    [InlineData("{{ a", "'}}' is missing")]
    [InlineData("{# a", "a comment has no end")]
    [InlineData("{{ 1.5 }}", "whole numbers")]
    [InlineData("{{ 99999999999999999999 }}", "whole numbers")]
    [InlineData("{{ a ? b }}", "U+003F")]
    [InlineData("{{ '\\xZZ' }}", "hexadecimal")]
    [InlineData("{% break %}", "'break' is not known")]
    [InlineData("{% for x in y %}{% set z %}{% break %}{% endset %}{% endfor %}", "'break' is not known")]
    [InlineData("{{ f(a=1, a=2) }}", "there twice")]
    public void Parse_NotUnderstood_IsRefusedByName(string template, string problem) =>
        Should.Throw<TemplateException>(() => ChatTemplate.Parse(template)).Message.ShouldContain(problem);

    [Theory]
    [InlineData("{{ messages | tojson }}", "the filter 'tojson' is not known")]
    [InlineData("{{ strftime_now('%d') }}", "the function 'strftime_now' is not known")]
    [InlineData("{{ messages[0].content.swapcase() }}", "no method 'swapcase'")]
    [InlineData("{{ messages is callable }}", "the test 'callable' is not known")]
    [InlineData("{{ messages[0].a.b }}", "not defined has no members")]
    [InlineData("{{ messages }}", "a list is not written here")]
    [InlineData("{{ 1 / 2 }}", "'/' is not done here")]
    [InlineData("{{ 1 % 0 }}", "no number")]
    [InlineData("{{ 9223372036854775807 + 1 }}", "no number")]
    [InlineData("{{ 'a' + 1 }}", "between a text and a number")]
    [InlineData("{{ raise_exception('No: ' + messages[0].content) }}", "No: …")]
    [InlineData("{% for a, b in messages %}{% endfor %}", "2 parts")]
    [InlineData("{{ range(9223372036854775807) | length }}", "at most 10000 numbers")]
    [InlineData("{{ messages[0:1:2] }}", "slice")]
    [InlineData("{{ {1: 2} }}", "only texts are keys")]
    [InlineData("{% set messages.x = 1 %}", "no namespace")]
    public void Render_CannotBeDone_SaysWhatWithoutTheConversationsWords(string template, string problem)
    {
        TemplateException error = Should.Throw<TemplateException>(() => ChatTemplate.Parse(template).Render([Hello], "", ""));
        error.Message.ShouldContain(problem);
        error.Message.ShouldNotContain("secret");
    }

    [Theory]
    [InlineData("{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}")]
    [InlineData("{% set ns = namespace(t='x') %}{% for a in range(1000) %}{% set ns.t = ns.t + ns.t %}{% endfor %}")]
    [InlineData("{% set ns = namespace(l=[1]) %}{% for a in range(1000) %}{% set ns.l = ns.l + ns.l %}{% endfor %}")]
    [InlineData("{% set ns = namespace(t='xy') %}{% for a in range(1000) %}{% set ns.t = ns.t.replace('x', ns.t) %}{% endfor %}")]
    [InlineData("{% set ns = namespace(t='x') %}{% for a in range(1000) %}{% set ns.t = [ns.t, ns.t] | join %}{% endfor %}")]
    public void Render_TooMuchWork_IsStopped(string template) =>
        Should.Throw<TemplateException>(() => ChatTemplate.Parse(template).Render([Hello], "", "")).Message.ShouldContain("too many steps");

    [Theory]
    [InlineData("{{ ", "(", "1", ")", " }}")]
    [InlineData("{{ ", "not ", "1", "", " }}")]
    [InlineData("{{ ", "-", "1", "", " }}")]
    [InlineData("{{ ", "[", "1", "]", " }}")]
    [InlineData("{{ ", "1 if 1 else ", "1", "", " }}")]
    [InlineData("{{ ", "a[", "1", "]", " }}")]
    [InlineData("{{ ", "1+", "1", "", " }}")]
    [InlineData("{{ ", "1 is in ", "[1]", "", " }}")]
    [InlineData("", "{% if 1 %}", "", "{% endif %}", "")]
    [InlineData("", "{% for x in y %}", "", "{% endfor %}", "")]
    [InlineData("", "{% set x %}", "", "{% endset %}", "")]
    public void Parse_NestedWithoutEnd_IsRefusedAndNeverOverflows(string before, string open, string inner, string close, string after)
    {
        string Nest(int depth) => before + string.Concat(Enumerable.Repeat(open, depth)) + inner +
            string.Concat(Enumerable.Repeat(close, depth)) + after;
        Should.Throw<TemplateException>(() => ChatTemplate.Parse(Nest(10_000)));
        Should.NotThrow(() => ChatTemplate.Parse(Nest(12)));
    }

    [Fact]
    public void Parse_TooLong_IsRefused() =>
        Should.Throw<TemplateException>(() => ChatTemplate.Parse(new string('x', (1 << 18) + 1))).Message.ShouldContain("at most 262144");

    [Fact]
    public void Parse_AnyBytesOfATemplateChanged_IsRefusedOrRenders()
    {
        var random = new Random(3);
        string[] sources = [.. Templates.Select(row => ChatModels.Template(row.Data))];
        for (int round = 0; round < 3000; round++)
        {
            char[] source = sources[random.Next(sources.Length)].ToCharArray();
            for (int change = random.Next(1, 6); change > 0; change--)
            {
                int place = random.Next(source.Length);
                source[place] = random.Next(2) == 0 ? source[random.Next(source.Length)] : (char)random.Next(0x180);
            }

            try
            {
                ChatTemplate.Parse(new string(source, 0, random.Next(2) == 0 ? source.Length : random.Next(source.Length)))
                    .Render([new("system", "s"), Hello, new("assistant", "a"), Hello], "<s>", "</s>");
            }
            catch (TemplateException error)
            {
                error.Message.ShouldNotContain("secret");
            }
        }
    }

    [Fact]
    public void Render_TemplateInAMessage_StaysText()
    {
        var template = ChatTemplate.Parse("{{ messages[0].content }}|{% for m in messages %}{{ m.content }}{% endfor %}");
        template.Render([new("user", "{{ bos_token }}{% break %}")], "<s>", "").Text
            .ShouldBe("{{ bos_token }}{% break %}|{{ bos_token }}{% break %}");
    }

    [Fact]
    public void Render_WhoWroteWhat_IsKnownThroughEveryOperation()
    {
        var template = ChatTemplate.Parse(
            "{% for m in messages %}{{ ('<a>' + m.content.replace('-', '<b>') + '<c>') | trim | upper }}{% endfor %}");
        ChatPrompt prompt = template.Render([new("user", "<a>-<c>"), new("user", " ")], "", "");
        prompt.Text.ShouldBe("<A><A><B><C><C><A> <C>");
        int[] byTemplate = [.. Enumerable.Range(0, prompt.Text.Length - 2).Where(place => prompt.IsTemplates(place, 3))];
        byTemplate.ShouldBe([0, 6, 12, 13, 14, 15, 19]);
        prompt.Holds(0).ShouldBeTrue();
        prompt.Holds(1).ShouldBeTrue();
        prompt.Holds(2).ShouldBeFalse();
    }

    internal sealed record Rendered(string Template, Message[] Messages, string? Text, string? Problem);

    internal sealed record Message(string Role, string Content);
}
