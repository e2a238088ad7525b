# Users and groups who have a role with the agent.
type Ilod::Role = Struct[{
    Optional['users']  => Array[String[1]],
    Optional['groups'] => Array[String[1]],
}]
