{{ risk_of('user_id', 'merchant', 'merchants') }}
