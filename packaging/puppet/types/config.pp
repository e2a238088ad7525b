# The possible content of /etc/ilod/ilod.toml.
type Ilod::Config = Struct[{
    Optional['device']           => String[1],
    Optional['state-dir']        => Pattern[/\A\//],
    Optional['runtime-dir']      => Pattern[/\A\//],
    Optional['socket']           => Pattern[/\A\//],
    Optional['timeout']          => Ilod::Duration,
    Optional['channels']         => Integer[1, 4],
    Optional['credentials-file'] => Pattern[/\A\//],
    Optional['cache']            => Struct[{
        Optional['nocache']        => Boolean,
        Optional['max-size']       => String[1],
        Optional['sweep-interval'] => Ilod::Duration,
    }],
    Optional['session']          => Struct[{
        Optional['session-linger']   => Ilod::Duration,
        Optional['keep-alive']       => Ilod::Duration,
        Optional['reap-foreign']     => Ilod::Duration,
        Optional['reap-before-boot'] => Boolean,
        Optional['limit-policy']     => Enum['reject', 'ask', 'oldest-idle-inband'],
    }],
    Optional['clients']          => Struct[{
        Optional['max-sessions']          => Integer[0],
        Optional['max-sessions-per-user'] => Integer[0],
        Optional['inactivity-timeout']    => Ilod::Duration,
        Optional['lifetime']              => Ilod::Duration,
        Optional['transaction-timeout']   => Ilod::Duration,
        Optional['force-sessions']        => Boolean,
        Optional['when-full']             => Enum['reject', 'ask', 'oldest-idle'],
        Optional['strict-json']           => Boolean,
    }],
    Optional['roles']            => Struct[{
        Optional['admin']    => Ilod::Role,
        Optional['operator'] => Ilod::Role,
        Optional['reader']   => Ilod::Role,
    }],
    Optional['tls']              => Struct[{
        Optional['listen']      => String,
        Optional['certificate'] => String,
        Optional['key']         => String,
    }],
    Optional['log']              => Struct[{
        Optional['level']  => Enum['error', 'warn', 'info', 'debug'],
        Optional['format'] => Enum['auto', 'text', 'json'],
    }],
}]
