{{ risk_of('merchant', 'user_id', 'users') }}
