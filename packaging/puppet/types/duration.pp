# A time such as 1m30s.
type Ilod::Duration = Pattern[/\A([0-9]+(\.[0-9]+)?(ms|s|m|h))+\z/]
