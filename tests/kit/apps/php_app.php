<?php
/* The application of application.py in PHP: sessions by the handler that php.ini names, here phpredis. */

$path = strtok($_SERVER['REQUEST_URI'], '?');
if ($path === '/healthz') {
    exit('well');
}
session_start();
if ($path === '/login') {
    session_regenerate_id(true);
    $_SESSION['name'] = $_GET['name'];
    $_SESSION['count'] = 0;
} elseif ($path === '/count' && isset($_SESSION['name'])) {
    echo ++$_SESSION['count'];
    exit;
} elseif ($path === '/renew') {
    session_regenerate_id(true);
} elseif ($path === '/logout') {
    $_SESSION = [];
    session_destroy();
} elseif ($path === '/hybrid') {
    /* As SilverStripe's HybridSessions: the session itself in a second cookie, set after the first. */
    setcookie('PHPSESSID_2', base64_encode(json_encode($_SESSION)), ['path' => '/', 'httponly' => true]);
    header('X-Seen: ' . ($_SERVER['HTTP_COOKIE'] ?? ''));
}
header('X-Stale: ' . ($_SERVER['HTTP_X_SESSION_STALE'] ?? '0'));
echo $_SESSION['name'] ?? 'nobody';
