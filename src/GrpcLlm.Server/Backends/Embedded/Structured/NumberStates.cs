namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// Makes the states of numbers. A range is kept to digit by digit: as long as the digits so far are those of a bound,
/// the next is compared with the bound's next. Numbers have no closing byte, so they stand in the rule that they are
/// part of.
/// </summary>
/// <param name="builder">Where states go.</param>
internal sealed class NumberStates(GrammarBuilder builder)
{
    private enum Phase : byte
    {
        First,
        Zero,
        Whole,
        Point,
        Fraction,
    }

    // How the digits so far compare with as many digits of a bound.
    private enum Order : sbyte
    {
        Less = -1,
        Same = 0,
        Greater = 1,
    }

    /// <summary>Adds the numbers of a range between two states.</summary>
    public void Add(NumberRange range, int from, int to)
    {
        if (range.FractionDigits == 0) range = range.Whole();
        if (range.High is not < 0)
        {
            bool hasLow = range.Low >= 0;
            var low = new Bound(hasLow ? range.Low!.Value : 0, hasLow && range.IsLowExclusive);
            Magnitudes(range, low, BoundOf(range.High, range.IsHighExclusive), from, to);
        }

        if (range.Low is not >= 0)
        {
            int negative = builder.NewStateBeside(from);
            builder.Byte(from, '-', '-', negative);
            bool hasHigh = range.High < 0;
            var nearest = new Bound(hasHigh ? -range.High!.Value : 0, !hasHigh || range.IsHighExclusive);
            Magnitudes(range, nearest, BoundOf(-range.Low, range.IsLowExclusive), negative, to);
        }
    }

    private static Bound? BoundOf(decimal? value, bool isExclusive) =>
        value is { } number ? new Bound(number, isExclusive) : null;

    private void Magnitudes(NumberRange range, Bound low, Bound? high, int from, int to)
    {
        var digits = new Digits(range, low, high);
        var states = new Dictionary<Place, int> { [Place.Start] = from };
        var open = new Queue<Place>([Place.Start]);
        while (open.TryDequeue(out Place place))
        {
            int state = states[place];
            if (digits.MayEnd(place)) builder.Empty(state, to);
            if (digits.Point(place) is { } point) builder.Byte(state, '.', '.', StateOf(point));
            for (int digit = 0; digit <= 9;)
            {
                // Digits that lead to the same place make one range.
                int first = digit;
                Place? next = digits.Digit(place, digit);
                while (++digit <= 9 && digits.Digit(place, digit) == next)
                {
                }

                if (next is { } target) builder.Byte(state, '0' + first, '0' + digit - 1, StateOf(target));
            }
        }

        int StateOf(Place place)
        {
            if (states.TryGetValue(place, out int known)) return known;
            open.Enqueue(place);
            return states[place] = builder.NewStateBeside(from);
        }
    }

    /// <summary>Where the digits of a number stand.</summary>
    /// <param name="Phase">Which part it is in.</param>
    /// <param name="Count">Digits so far.</param>
    /// <param name="Fraction">Digits behind the point.</param>
    /// <param name="Low">How it compares with the lower bound.</param>
    /// <param name="High">How it compares with the upper bound.</param>
    /// <param name="Remainder">Of the division by what it must be a multiple of.</param>
    private readonly record struct Place(Phase Phase, int Count, int Fraction, Order Low, Order High, int Remainder)
    {
        public static readonly Place Start = new(Phase.First, 0, 0, Order.Same, Order.Same, 0);
    }

    /// <summary>A bound of a magnitude, as digits.</summary>
    private sealed class Bound
    {
        private readonly string _whole;
        private readonly string _fraction;

        public Bound(decimal value, bool isExclusive)
        {
            string[] parts = value.ToString("0.############################").Split('.');
            _whole = parts[0];
            _fraction = parts.Length > 1 ? parts[1] : "";
            IsExclusive = isExclusive;
        }

        public bool IsExclusive { get; }

        /// <summary>Compares one more digit before the point, the one at an index.</summary>
        public Order NextWhole(Order soFar, int index, int digit) =>
            index >= _whole.Length ? Order.Greater : soFar != Order.Same ? soFar : Compare(digit, _whole[index]);

        /// <summary>Compares one more digit behind the point.</summary>
        public Order NextFraction(Order soFar, int index, int digit) =>
            soFar != Order.Same ? soFar : Compare(digit, index < _fraction.Length ? _fraction[index] : '0');

        /// <summary>Compares all digits before the point.</summary>
        public Order WholeOrder(Order soFar, int count) =>
            count == _whole.Length ? soFar : count < _whole.Length ? Order.Less : Order.Greater;

        /// <summary>Compares a number that ends here.</summary>
        public Order EndOrder(Order soFar, int fractionDigits) =>
            soFar == Order.Same && fractionDigits < _fraction.Length ? Order.Less : soFar;

        private static Order Compare(int digit, char other) => (Order)Math.Sign(digit - (other - '0'));
    }

    /// <summary>Which digit may follow, and where that leads.</summary>
    private sealed class Digits(NumberRange range, Bound low, Bound? high)
    {
        public bool MayEnd(Place place)
        {
            if (place.Phase is Phase.First or Phase.Point || place.Remainder != 0) return false;
            Place end = place.Phase == Phase.Fraction ? place : Resolve(place, place.Phase);
            Order least = low.EndOrder(end.Low, end.Fraction);
            if (least == Order.Less || (least == Order.Same && low.IsExclusive)) return false;
            Order most = high?.EndOrder(end.High, end.Fraction) ?? Order.Less;
            return most == Order.Less || (most == Order.Same && high is { IsExclusive: false });
        }

        public Place? Point(Place place)
        {
            if (place.Phase is not (Phase.Zero or Phase.Whole) || range.FractionDigits == 0) return null;
            if (place.Count >= StructuredLimits.Digits) return null;
            Place point = Resolve(place, Phase.Point);
            return IsWithin(point) ? point : null;
        }

        public Place? Digit(Place place, int digit)
        {
            if (place.Count >= StructuredLimits.Digits || place.Phase == Phase.Zero) return null;
            if (place.Phase is Phase.First or Phase.Whole)
            {
                return new Place(
                    place.Phase == Phase.First && digit == 0 ? Phase.Zero : Phase.Whole, place.Count + 1, 0,
                    low.NextWhole(place.Low, place.Count, digit),
                    high?.NextWhole(place.High, place.Count, digit) ?? Order.Less,
                    ((place.Remainder * 10) + digit) % range.MultipleOf);
            }

            if (place.Fraction >= range.FractionDigits) return null;
            var next = new Place(
                Phase.Fraction, place.Count + 1, place.Fraction + 1, low.NextFraction(place.Low, place.Fraction, digit),
                high?.NextFraction(place.High, place.Fraction, digit) ?? Order.Less, 0);
            if (!IsWithin(next)) return null;

            // Once nothing is compared any more and no digit is too fine, which digit it is does not matter.
            bool isOpen = next.Low == Order.Greater && next.High == Order.Less;
            return isOpen && range.FractionDigits >= StructuredLimits.Digits - 1 ? next with { Fraction = 1 } : next;
        }

        private Place Resolve(Place place, Phase phase) => place with
        {
            Phase = phase,
            Low = low.WholeOrder(place.Low, place.Count),
            High = high?.WholeOrder(place.High, place.Count) ?? Order.Less,
        };

        // Behind the point nothing can make up for what is beyond a bound already.
        private static bool IsWithin(Place place) => place.Low != Order.Less && place.High != Order.Greater;
    }
}
